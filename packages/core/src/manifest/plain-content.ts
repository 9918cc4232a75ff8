import { isHashType } from '../hashing/algorithms.ts'
import { StreamHasher } from '../hashing/stream-hasher.ts'

/** How much of a file tells what it is. */
export const HEAD_BYTES = 1024

/**
 * What stands in place of a file whose content is not what was signed, where its first bytes tell.
 *
 * @returns a clause that goes on from the name of the file, and a sentence on what to do; undefined where nothing is known
 */
export function standIn(head: Uint8Array): { clause: string; mend: string } | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1')
  if (text === '') return { clause: 'is empty', mend: FETCH_AGAIN }
  // https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
  if (/^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\//.test(text))
    return {
      clause: 'is a Git LFS pointer in place of the file',
      mend: 'Run "git lfs install" and "git lfs pull" in the repository.',
    }
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)[\s>]/i.test(text))
    return { clause: 'is a web page in place of the file, such as one for signing in', mend: FETCH_AGAIN }
  return undefined
}

const FETCH_AGAIN = 'Download it again.'

/** Text that is compared with what editors and Git make of it is at most this long: 4 MiB, as a large tokenizer. */
export const MAX_TEXT_BYTES = 4 * 1024 * 1024

/**
 * What was done to a text so that it is no longer what was signed: its line ends were converted, or an editor saved it.
 *
 * @param expected what was signed: `ALGORITHM:DIGEST`
 * @returns a clause that goes on from the name of the file; undefined where that is not what happened
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
  /** What the content may have been before. */
  undo: (content: Buffer) => Buffer[]
}

const MARK = Buffer.from('\uFEFF')

const CONVERSIONS: readonly Conversion[] = [
  {
    clause: 'has other line ends than the signed file (CRLF in place of LF)',
    undo: (content) => (content.includes('\r\n') ? [latin1(content, (text) => text.replaceAll('\r\n', '\n'))] : []),
  },
  {
    clause: 'has other line ends than the signed file (LF in place of CRLF)',
    undo: (content) =>
      content.includes('\n') && !content.includes('\r\n')
        ? [latin1(content, (text) => text.replaceAll('\n', '\r\n'))]
        : [],
  },
  {
    clause: 'has a byte order mark that the signed file has not',
    undo: (content) => (content.subarray(0, MARK.length).equals(MARK) ? [content.subarray(MARK.length)] : []),
  },
  {
    clause: 'ends in a line break that the signed file has not',
    undo: (content) => [
      ...(content.at(-1) === 0x0a ? [content.subarray(0, -1)] : []),
      ...(content.subarray(-2).equals(Buffer.from('\r\n')) ? [content.subarray(0, -2)] : []),
    ],
  },
  {
    clause: 'lacks the line break at its end that the signed file has',
    undo: (content) => [Buffer.concat([content, Buffer.from('\n')])],
  },
]

function latin1(content: Buffer, convert: (text: string) => string): Buffer {
  return Buffer.from(convert(content.toString('latin1')), 'latin1')
}
