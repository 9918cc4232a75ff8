import { isBranded, kindOf } from './any-realm.ts'
import type { ErrorCode } from './error-codes.ts'
import type { ErrorDetails, FileProblem, SerializedError } from './error-details.ts'
import type { Verdict } from './results.ts'
import { withoutSecrets } from './secrets.ts'

export { ERROR_CODES, type ErrorCode } from './error-codes.ts'
export type { ErrorDetails, FileProblem, SerializedError }

const BRAND = Symbol.for('modelseal.error')
const NAME = 'ModelSealError'

/**
 * Every failure of modelseal. `code` is stable; `message` is one readable paragraph: what failed,
 * for which file or signer, what was expected and found, and what to do.
 *
 * @example
 * ```ts
 * try {
 *   await openVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * } catch (error) {
 *   if (error instanceof ModelSealError && error.code === 'FILE_MISMATCH') quarantine(error.file)
 *   throw error
 * }
 * ```
 */
export class ModelSealError extends Error {
  readonly code: ErrorCode
  readonly file: string | undefined
  readonly line: number | undefined
  readonly column: number | undefined
  readonly signer: string | undefined
  readonly expected: string | undefined
  readonly found: string | undefined
  readonly hint: string | undefined
  readonly problems: readonly FileProblem[] | undefined
  /** What was judged before the refusal; set on errors that leave a verified load. */
  verdict: Verdict | undefined

  constructor(code: ErrorCode, sentence: string, details: ErrorDetails = {}) {
    super(withoutSecrets(paragraph(sentence, details)), details.cause === undefined ? {} : { cause: details.cause })
    this.name = NAME
    this.code = code
    this.file = printable(details.file)
    this.line = details.line
    this.column = details.column
    this.signer = printable(details.signer)
    this.expected = printable(details.expected)
    this.found = printable(details.found)
    this.hint = printable(details.hint)
    this.problems = details.problems
    Object.defineProperty(this, BRAND, { value: true })
    // A verdict is large and is printed on its own.
    Object.defineProperty(this, 'verdict', { value: undefined, writable: true, enumerable: false })
  }

  /** True for errors of every copy: of the ESM and of the CommonJS build, of this realm and of another. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(value, BRAND)
  }

  toJSON(): SerializedError {
    const { code, message, file, line, column, signer, expected, found, hint, problems } = this
    return { code, message, file, line, column, signer, expected, found, hint, problems }
  }

  /** Restores an error that crossed a thread as {@link SerializedError}. */
  static revive(error: SerializedError): ModelSealError {
    const revived = new ModelSealError(error.code, '', error)
    revived.message = error.message
    return revived
  }

  static {
    // Bundlers and minifiers rename classes, and the new names would appear in stacks and logs.
    Object.defineProperty(this, 'name', { value: NAME, configurable: true })
    Object.defineProperty(this.prototype, 'name', { value: NAME, configurable: true, writable: true })
  }
}

/** What an error says, without its hint. */
export function withoutHint({ message, hint }: Pick<SerializedError, 'message' | 'hint'>): string {
  return hint !== undefined && message.endsWith(` ${hint}`) ? message.slice(0, -hint.length - 1) : message
}

/** What an error says, without what was expected and found, and without its hint. */
export function sentenceOf(error: Pick<SerializedError, 'message' | 'expected' | 'found' | 'hint'>): string {
  const { expected, found } = error
  const text = withoutHint(error)
  const details = paragraph('', { expected, found })
  return details !== '' && text.endsWith(details) ? text.slice(0, -details.length) : text
}

/** The same error with another hint. */
export function withHint(error: ModelSealError, hint: string): ModelSealError {
  const { cause } = error
  const hinted = new ModelSealError(error.code, '', { ...error.toJSON(), cause, hint })
  hinted.message = `${withoutHint(error)} ${hint}`
  hinted.verdict = error.verdict
  return hinted
}

function paragraph(sentence: string, { expected, found, hint }: ErrorDetails): string {
  let text = sentence
  if (expected !== undefined && found !== undefined) text += ` Expected ${expected}, found ${found}.`
  else if (expected !== undefined) text += ` Expected ${expected}.`
  else if (found !== undefined) text += ` Found ${found}.`
  return hint === undefined ? text : `${text} ${hint}`
}

/** Whatever a program gives by mistake, no error may carry a key into a log. */
function printable(detail: string | undefined): string | undefined {
  return typeof detail === 'string' ? withoutSecrets(detail) : detail
}

const LONGEST_SHOWN = 300

/**
 * A name or value of unknown origin, quoted for a message: control characters, line breaks and
 * text-direction marks are escaped, so that it cannot forge lines or drive a terminal. Private keys, tokens
 * and PINs are left out.
 */
export function shown(value: string): string {
  // For callers without types.
  if (typeof (value as unknown) !== 'string') return kindOf(value)
  const cut = value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value
  return `"${withoutSecrets(cut).replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escaped)}"`
}

function escaped(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
}
