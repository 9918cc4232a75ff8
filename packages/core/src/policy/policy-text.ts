import { isMap, isPair, isScalar, type LineCounter, type Document } from 'yaml'
import { ModelSealError, type ErrorDetails } from '../errors.ts'
import { invalidPolicy, opening, type Position, type TextFile } from './invalid-policy.ts'

/** Path of a value in the policy: field names and indexes. */
export type ValuePath = readonly PropertyKey[]

/** The text of a policy, or of what stands beside one, which tells where a value stands in it. */
export class PolicyText implements TextFile {
  /** Absolute path of the file. */
  readonly path: string
  readonly what: TextFile['what']
  readonly #document: Document
  readonly #lines: LineCounter

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

  /** The error of a file that a value names, under its own code, with the place that names it. */
  faultFrom(at: ValuePath, cause: ModelSealError): ModelSealError {
    const position = this.position(at)
    return new ModelSealError(cause.code, `${opening(this, position)} ${cause.message}`, {
      file: this.path,
      ...position,
      cause,
    })
  }

  /**
   * Where a value stands; where there is none, its nearest container.
   *
   * @param key a field of that value, to have the place of its name
   */
  position(at: ValuePath, key?: string): Position | undefined {
    for (let path = [...at]; ; path = path.slice(0, -1)) {
      const node = this.#document.getIn(path, true)
      if (key !== undefined && path.length === at.length && isMap(node)) {
        const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key)
        const start = rangeStart(pair?.key)
        if (start !== undefined) return this.#at(start)
      }
      const start = rangeStart(node)
      if (start !== undefined) return this.#at(start)
      if (path.length === 0) return undefined
    }
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
