import { isMap, isNode, isSeq, type Document, type LineCounter, type Pair } from 'yaml'
import { ModelSealError, type ErrorDetails } from '../../errors.ts'
import { keyName } from '../../yaml/duplicate-keys.ts'
import { invalidPolicy, opening, type Position, type TextFile } from './invalid-policy.ts'

/** Path of a value in the policy: field names and indexes. */
export type ValuePath = readonly PropertyKey[]

/** The text of a policy or of a file beside it, with the positions of its values. */
export class PolicyText implements TextFile {
  /** Absolute path of the file. */
  readonly path: string
  readonly what: TextFile['what']
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #pairs = new WeakMap<object, Map<string | undefined, Pair>>()

  constructor({ path, what }: TextFile, document: Document, lines: LineCounter) {
    this.path = path
    this.what = what
    this.#document = document
    this.#lines = lines
  }

  /** An error about a value: `POLICY_INVALID`, with line and column. */
  fault(at: ValuePath, sentence: string, details: ErrorDetails = {}): ModelSealError {
    return invalidPolicy(this, sentence, this.position(at), details)
  }

  /** An error about a file that a value names, with its own code and the position of that value. */
  faultFrom(at: ValuePath, cause: ModelSealError): ModelSealError {
    const position = this.position(at)
    return new ModelSealError(cause.code, `${opening(this, position)} ${cause.message}`, {
      file: this.path,
      ...position,
      cause,
    })
  }

  /**
   * The position of a value, or of its nearest container if it does not exist.
   *
   * @param key a field of that value, for the position of its name
   */
  position(at: ValuePath, key?: string): Position | undefined {
    const nodes = [this.#document.contents as unknown]
    for (const step of at) nodes.push(this.#child(nodes.at(-1), step))
    if (key !== undefined) nodes.push(this.#pair(nodes.at(-1), key)?.key)
    for (const node of nodes.reverse()) {
      const start = rangeStart(node)
      if (start !== undefined) return this.#at(start)
    }
    return undefined
  }

  /** The name of the anchor (`&name`) of a value, which YAML does not treat as part of it. */
  anchorAt(at: ValuePath): string | undefined {
    let node: unknown = this.#document.contents
    for (const step of at) node = this.#child(node, step)
    return isNode(node) && 'anchor' in node ? node.anchor : undefined
  }

  #child(node: unknown, step: PropertyKey): unknown {
    return isSeq(node) ? node.items[Number(step)] : this.#pair(node, String(step))?.value
  }

  /** Each map is indexed once: a map with many fields can have many faults. */
  #pair(node: unknown, name: string): Pair | undefined {
    if (!isMap(node)) return undefined
    let pairs = this.#pairs.get(node)
    if (!pairs) {
      pairs = new Map(node.items.map((pair) => [keyName(pair.key), pair]))
      this.#pairs.set(node, pairs)
    }
    return pairs.get(name)
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { line, column: col }
  }
}

function rangeStart(node: unknown): number | undefined {
  const range =
    typeof node === 'object' && node !== null && 'range' in node
      ? (node.range as [number] | null | undefined)
      : undefined
  return range?.[0]
}
