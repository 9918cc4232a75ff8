import { isHashType } from '../hashing/algorithms.ts'
import { StreamHasher } from '../hashing/stream-hasher.ts'

/** How many bytes at the beginning of a file are enough to recognize what it is. */
export const HEAD_BYTES = 1024

/**
 * Recognizes from its first bytes what has replaced the signed content of a file.
 *
 * @returns a clause that follows the name of the file, and a sentence that says what to do; undefined if nothing is recognized
 */
export function standIn(head: Uint8Array): { clause: string; fix: string } | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1')
  if (text === '') return { clause: 'is empty', fix: FETCH_AGAIN }
  if (isLfsPointer(text))
    return {
      clause:
        'is a Git LFS pointer (a small text file that stands for the real one), because the real file was not downloaded',
      fix: 'Run "git lfs install" and "git lfs pull" in the repository.',
    }
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)[\s>]/i.test(text))
    return { clause: 'is a web page instead of the file, such as a sign-in page', fix: FETCH_AGAIN }
  return undefined
}

/** @param text the beginning of a file (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md) */
export function isLfsPointer(text: string): boolean {
  return /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\//.test(text)
}

const FETCH_AGAIN = 'Download it again.'

/** Longest text that is checked for changes by editors and Git: 4 MiB, the size of a large tokenizer. */
export const MAX_TEXT_BYTES = 4 * 1024 * 1024

/**
 * Finds out whether a text differs from the signed one only because its line endings were converted, or an editor saved it.
 *
 * @param expected the signed digest, as `ALGORITHM:DIGEST`
 * @returns a clause that follows the name of the file; undefined for any other difference
 */
export function conversion(content: Buffer, expected: string): string | undefined {
  const [hashType = '', digest] = expected.split(':')
  if (!isHashType(hashType) || content.length > MAX_TEXT_BYTES || content.includes(0)) return undefined
  const isSigned = (bytes: Buffer) => {
    const hasher = new StreamHasher(hashType, Infinity)
    hasher.update(bytes)
    return hasher.digests()[0] === digest
  }
  return CONVERSIONS.find(({ undo }) => undo(content).some(isSigned))?.clause
}

interface Conversion {
  clause: string
  /** Possible contents before the conversion. */
  undo: (content: Buffer) => Buffer[]
}

const MARK = Buffer.from('\uFEFF')

const CONVERSIONS: readonly Conversion[] = [
  {
    clause: 'has different line endings from the signed file (CRLF instead of LF)',
    undo: (content) => (content.includes('\r\n') ? [latin1(content, (text) => text.replaceAll('\r\n', '\n'))] : []),
  },
  {
    clause: 'has different line endings from the signed file (LF instead of CRLF)',
    undo: (content) =>
      content.includes('\n') && !content.includes('\r\n')
        ? [latin1(content, (text) => text.replaceAll('\n', '\r\n'))]
        : [],
  },
  {
    clause: 'has a byte order mark that the signed file does not have',
    undo: (content) => (content.subarray(0, MARK.length).equals(MARK) ? [content.subarray(MARK.length)] : []),
  },
  {
    clause: 'ends with a line break that the signed file does not have',
    undo: (content) => [
      ...(content.at(-1) === 0x0a ? [content.subarray(0, -1)] : []),
      ...(content.subarray(-2).equals(Buffer.from('\r\n')) ? [content.subarray(0, -2)] : []),
    ],
  },
  {
    clause: 'lacks the final line break of the signed file',
    undo: (content) => [Buffer.concat([content, Buffer.from('\n')])],
  },
]

function latin1(content: Buffer, convert: (text: string) => string): Buffer {
  return Buffer.from(convert(content.toString('latin1')), 'latin1')
}
