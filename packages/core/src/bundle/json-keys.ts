import { ModelSealError, shown } from '../errors.ts'

/** Bounds on hostile JSON; each caller states its own, with its reason. */
export interface JsonBounds {
  /** What the text is, for messages: `bundle`, `statement`. */
  what: string
  /** Where it came from. */
  file?: string | undefined
  /** What the reader can do about it: a sentence. */
  hint?: string | undefined
  /** Values and containers in all; bounds the memory that parsing takes. */
  maxValues: number
  /** Containers within containers. Default 32: nothing in a bundle or statement nests deeper than about 8. */
  maxDepth?: number
  /** Keys of one object. Default 64: none of a bundle or statement has more than about 12. */
  maxKeys?: number
  /** Different keys of all objects together. Default 4096: a bundle or statement has about 50. */
  maxNames?: number
}

const MAX_KEYS = 64
const MAX_NAMES = 4_096

/** The keys of all objects, by level: most objects of a level have the same keys. */
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
   * Objects that all have different keys are the most expensive input for `JSON.parse`: each takes microseconds, and memory that
   * takes long to collect.
   */
  #countName(): void {
    const { maxNames = MAX_NAMES } = this.#bounds
    if (++this.#names > maxNames) throw tooComplex(this.#bounds, `more than ${maxNames} different keys`)
  }
}

/** The keys of one object after another. */
export class Keys {
  /** Each key, with the number of the last object that had it, so that nothing has to be cleared between objects. */
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
    if (++this.#count > maxKeys) throw tooComplex(this.#bounds, `an object of more than ${maxKeys} keys`)
  }
}

function duplicate({ what, file }: JsonBounds, key: string): ModelSealError {
  const found = shown(Buffer.from(key, 'latin1').toString())
  return new ModelSealError('JSON_DUPLICATE_KEY', `The ${what} has the key ${found} twice in one object.`, {
    file,
    found,
  })
}

/** The same key without escapes, again with one character for each byte. */
function decoded(written: string): string {
  try {
    const key = JSON.parse(`"${Buffer.from(written, 'latin1').toString()}"`) as string
    return key.isWellFormed() ? Buffer.from(key).toString('latin1') : key
  } catch {
    return written // not JSON: the parser is about to refuse it
  }
}

export function tooComplex({ what, file }: JsonBounds, found: string): ModelSealError {
  return new ModelSealError('JSON_TOO_COMPLEX', `The ${what} is more complex than any real one.`, { file, found })
}
