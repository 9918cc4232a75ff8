import { ModelSealError, shown, type ErrorDetails } from '../../errors.ts'

/** A file whose text is parsed. */
export interface TextFile {
  /** Absolute path. */
  path: string
  /** What it is, for messages. */
  what: 'policy' | 'file of expectations' | 'source of the advisory feed'
}

/** A place in a text, both from 1. */
export interface Position {
  line: number
  column: number
}

/** `POLICY_INVALID`, or `ADVISORY_INVALID`, with the position if it is known. */
export function invalidPolicy(
  file: TextFile,
  sentence: string,
  position?: Position,
  details: ErrorDetails = {},
): ModelSealError {
  return new ModelSealError(
    file.what === 'source of the advisory feed' ? 'ADVISORY_INVALID' : 'POLICY_INVALID',
    `${opening(file, position)} ${sentence}`,
    {
      file: file.path,
      ...position,
      hint: file.what === 'policy' ? HINT : undefined,
      ...details,
    },
  )
}

const HINT = 'An invalid policy accepts nothing.'

/** The message without the position and the common hint, for callers that show them separately. */
export function withoutPlace({ message, file = '', line, column }: ModelSealError): string {
  const position = line === undefined || column === undefined ? undefined : { line, column }
  const start = opening({ path: file, what: 'policy' }, position)
  const sentence = message.startsWith(start) ? message.slice(start.length).trimStart() : message
  return sentence.endsWith(` ${HINT}`) ? sentence.slice(0, -HINT.length - 1) : sentence
}

/** The beginning of a message: the file, and the position in it. */
export function opening({ path, what }: TextFile, position: Position | undefined): string {
  const where = position ? `, line ${position.line}, column ${position.column}` : ''
  return `The ${what} ${shown(path)} is not valid${where}:`
}
