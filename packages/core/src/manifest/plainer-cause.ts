import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { shown, type FileProblem } from '../errors.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { READ_ONLY } from '../source/read-small-file.ts'
import { conversion, HEAD_BYTES, MAX_TEXT_BYTES, standIn } from './plain-content.ts'
import { CREATED, plainNames } from './plain-names.ts'

/** Maximum number of files whose content is examined, and of causes that a hint names. */
const MAX_TOLD = 3

/** What to do about files without a known cause. */
export const SUSPICION =
  'Do not load this copy. Fetch the model again from its publisher, since a download may have been interrupted. If the new copy is refused as well, find out who changed it.'

/** What to do about unsigned files without a known cause: no interrupted download leaves these. */
export const UNKNOWN_FILES =
  'Do not load this copy. Find out where such a file comes from, and remove it, or have the publisher sign the model with it.'

/**
 * Says what to do about a model that differs from what was signed. Causes more likely than tampering come first, if names
 * or contents show one. Used for hints only, because files may change while it examines them.
 */
export function mismatchHint(problems: readonly FileProblem[], contentOf: ContentOf): string {
  const names = plainNames(problems)
  const causes = [...names.keys()]
  const left = causes.some((cause) => cause.includes(` ${CREATED} `))
  let room = MAX_TEXT_BYTES
  const explained = new Set([...names.values()].flat())
  for (const problem of problems.filter(({ code }) => code === 'FILE_MISMATCH').slice(0, MAX_TOLD)) {
    const content = contentOf(problem.file, room)
    if (!content) continue
    room -= content.length
    const cause = contentCause(problem, content)
    if (cause === undefined) continue
    causes.unshift(cause)
    explained.add(problem)
  }
  const others = problems.filter((problem) => !explained.has(problem))
  const advice = others.every(({ code }) => code === 'FILE_UNSIGNED') ? UNKNOWN_FILES : SUSPICION
  if (causes.length === 0) return advice
  const told = causes.slice(0, MAX_TOLD).join(' ')
  const remove = left ? ' Remove such files, or list them in the rule under "require.unsigned".' : ''
  return others.length === 0 ? `${told}${remove}` : `${told}${remove} For the other files: ${advice}`
}

/** @param content of the file, or its beginning */
function contentCause({ file, expected = '', found = '' }: FileProblem, content: Buffer): string | undefined {
  const other = standIn(content)
  if (other) return `${shown(file)} ${other.clause}. ${other.fix}`
  if (sizeIn(found) < sizeIn(expected))
    return `${shown(file)} is shorter than the signed file, as after an interrupted download. Download it again.`
  const clause = conversion(content, expected)
  return clause === undefined
    ? undefined
    : `${shown(file)} ${clause}. Git (core.autocrlf) and editors convert text in this way. Fetch it again without conversion.`
}

/** NaN if there is none. */
function sizeIn(text: string): number {
  return Number(/^(\d+) bytes/.exec(text)?.[1])
}

/**
 * Returns the content of a file, or only its beginning if it is longer than `room`, which is enough to recognize it. Returns
 * undefined if the file cannot be read or is not a regular file.
 */
export type ContentOf = (name: string, room: number) => Buffer | undefined

/** Reads the contents of a local model. */
export function contentIn({ kind, path }: LocalSource): ContentOf {
  return (name, room) => {
    try {
      const fd = openSync(kind === 'file' ? path : join(path, name), READ_ONLY | constants.O_NOFOLLOW)
      try {
        const stat = fstatSync(fd)
        if (!stat.isFile()) return undefined
        const content = Buffer.alloc(stat.size <= room ? stat.size : HEAD_BYTES)
        return content.subarray(0, readSync(fd, content, 0, content.length, 0))
      } finally {
        closeSync(fd)
      }
    } catch {
      return undefined
    }
  }
}
