import type { Header } from 'tar-stream'
import { shown, type ModelSealError } from '../../../errors.ts'

/** What tar-stream makes of a header. */
export type TarHeader = Omit<Header, 'type' | 'pax'> & {
  readonly type: Header['type'] | null
  readonly pax: Readonly<Record<string, string>> | null
  /** Where the content begins, in bytes. */
  readonly byteOffset: number
}

/** PATH_MAX of Linux. */
const MAX_NAME_LENGTH = 4_096

/**
 * The name of a file in an archive. Names are refused that would lead out of a directory that the archive is unpacked in, on any system.
 *
 * @param refusal makes the error
 * @returns undefined for a directory
 */
export function memberName(
  { type, name: written, size, pax }: TarHeader,
  refusal: (found: string, expected: string) => ModelSealError,
): string | undefined {
  const files = 'files and directories'
  if (type === 'link' || type === 'symlink') throw refusal(`the link ${shown(written)}`, files)
  if (type !== 'file' && type !== 'contiguous-file' && type !== 'directory')
    throw refusal(`the special file ${shown(written)}`, files)
  // What is stored of such a file is not its content.
  if (pax && Object.keys(pax).some((key) => key.startsWith('GNU.sparse.')))
    throw refusal(`the sparse file ${shown(written)}`, files)
  const isDirectory = type === 'directory'
  // The parser would wait for the content of a directory without end.
  if (isDirectory && size !== 0) throw refusal(`the directory ${shown(written)} with content`, files)
  const name = written.replace(/^(?:\.\/)+/, '').replace(isDirectory ? /\/$/ : /^$/, '')
  if (isDirectory && (name === '' || name === '.')) return undefined
  if (isImpossible(name)) throw refusal(`the name ${shown(name)}`, 'names of files in the archive')
  return isDirectory ? undefined : name
}

function isImpossible(name: string): boolean {
  const isBad = (part: string) => part === '' || part === '.' || part === '..'
  // The last one stands for bytes that are not UTF-8. Control characters would change what a terminal shows.
  const hasBad = name.split(/[/\\]/).some(isBad) || /^[a-z]:|[\p{Cc}\ufffd]/iu.test(name)
  return hasBad || name.length > MAX_NAME_LENGTH
}
