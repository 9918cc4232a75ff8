import { ModelSealError, shown } from '../errors.ts'

/** Limits for hostile JSON. Each caller sets its own and gives the reason. */
export interface JsonBounds {
  /** What the text is, for messages, such as `bundle` or `statement`. */
  what: string
  /** The file that it was read from. */
  file?: string | undefined
  /** A sentence on what to do about a malformed text. */
  hint?: string | undefined
  /** Maximum number of values and containers. Bounds the memory that parsing takes. */
  maxValues: number
  /** Maximum depth of nested containers (default: 32; bundles and statements have about 8). */
  maxDepth?: number
  /** Maximum number of keys in one object (default: 64; bundles and statements have at most about 12). */
  maxKeys?: number
  /** Maximum number of different keys in all objects together (default: 4096; bundles and statements have about 50). */
  maxNames?: number
}

const MAX_KEYS = 64
const MAX_NAMES = 4_096

/** The keys of all objects by level, because most objects at the same level have the same keys. */
export class KeysOfLevels {
  readonly #levels: Keys[] = []
  readonly #bounds: JsonBounds
  #names = 0

  constructor(bounds: JsonBounds) {
    this.#bounds = bounds
  }

  /** @returns the collection for the keys of an object that begins at this level */
  newObject(level: number): Keys {
    const keys = (this.#levels[level] ??= new Keys(this.#bounds, () => this.#countName()))
    keys.begin()
    return keys
  }

  /**
   * Objects with all different keys are the most expensive input for `JSON.parse`: each takes microseconds, and its memory takes
   * long to collect.
   */
  #countName(): void {
    const { maxNames = MAX_NAMES } = this.#bounds
    if (++this.#names > maxNames) throw tooComplex(this.#bounds, `more than ${maxNames} different keys`)
  }
}

/** The keys of one object after another. */
export class Keys {
  /** Maps each key to the number of the last object that had it, so that nothing has to be cleared between objects. */
  readonly #objects = new Map<string, number>()
  readonly #bounds: JsonBounds
  readonly #countName: () => void
  #object = 0
  #count = 0

  constructor(bounds: JsonBounds, countName: () => void) {
    this.#bounds = bounds
    this.#countName = countName
  }

  /** Begins the next object. */
  begin(): void {
    this.#object++
    this.#count = 0
  }

  /**
   * @param written the key as in the text, with one character for each byte
   * @throws {@link ModelSealError} `JSON_DUPLICATE_KEY`, `JSON_TOO_COMPLEX`
   */
  add(written: string): void {
    const key = written.includes('\\') ? decoded(written) : written
    const object = this.#objects.get(key)
    if (object === this.#object) throw duplicate(this.#bounds, key)
    this.#objects.set(key, this.#object)
    if (object === undefined) this.#countName()
    const { maxKeys = MAX_KEYS } = this.#bounds
    if (++this.#count > maxKeys) throw tooComplex(this.#bounds, `an object with more than ${maxKeys} keys`)
  }
}

function duplicate({ what, file }: JsonBounds, key: string): ModelSealError {
  const found = shown(Buffer.from(key, 'latin1').toString())
  return new ModelSealError('JSON_DUPLICATE_KEY', `Cannot read the ${what}: one object has the key ${found} twice.`, {
    file,
    found,
  })
}

/** The key without escapes, again with one character for each byte. */
function decoded(written: string): string {
  try {
    const key = JSON.parse(`"${Buffer.from(written, 'latin1').toString()}"`) as string
    return key.isWellFormed() ? Buffer.from(key).toString('latin1') : key
  } catch {
    return written // not JSON, which the parser will refuse
  }
}

export function tooComplex({ what, file }: JsonBounds, found: string): ModelSealError {
  return new ModelSealError('JSON_TOO_COMPLEX', `Cannot read the ${what}: it is too complex.`, { file, found })
}
