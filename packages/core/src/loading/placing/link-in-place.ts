import { closeSync, fstatSync, linkSync, lstatSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { foreignFileSystem } from '../../source/local/file-system.ts'
import { checkUnchanged, openListed } from '../../source/local/open-file.ts'
import { othersMayWrite } from '../../source/private/ownership.ts'
import { errno } from '../../source/file-errors.ts'
import { changed, identityOf, type SourceFile } from '../../source/local/source-file.ts'
import { procFile } from '../../source/proc-file.ts'

/** Makes a link to an open file at a path. */
type Link = (file: SourceFile, fd: number, path: string) => SourceFile

/**
 * Links to the very file that was listed, which no other user may be able to change.
 *
 * @returns the file, with a descriptor if one must stay open
 * @throws {@link ModelSealError} `ISOLATION_REFUSED`, `FILE_CHANGED`
 */
export function linkInPlace(file: SourceFile, path: string, link: Link): SourceFile {
  const fd = openListed(file)
  let linked: SourceFile | undefined
  try {
    checkInPlace(file, fd)
    linked = link(file, fd, path)
    return linked
  } finally {
    if (linked?.fd === undefined) closeSync(fd)
  }
}

export function checkInPlace(file: SourceFile, fd: number): void {
  // The file system of the descriptor, wherever its path leads by now. On other systems than Linux, owners and modes
  // must suffice.
  const foreign = process.platform === 'linux' ? foreignFileSystem(procFile(`self/fd/${fd}`)) : undefined
  const fault = othersMayWrite(checkUnchanged(file, fd)) ?? foreign
  if (fault !== undefined) throw notInPlace(file, fault)
}

export function withOpen(file: SourceFile, use: (file: SourceFile, fd: number) => void): void {
  const fd = openListed(file)
  try {
    use(file, fd)
  } finally {
    closeSync(fd)
  }
}

/** Links by descriptor, which changes nothing about the file, or else by a hard link, which changes its ctime. */
export function linkAny(file: SourceFile, fd: number, path: string): SourceFile {
  const { name, path: original, identity } = file
  return linkDescriptor(file, fd, path) ? { name, path: original, identity, fd } : linkHard(file, fd, path)
}

/** @returns false if there is no /proc with the descriptors of this process */
function linkDescriptor({ identity }: SourceFile, fd: number, path: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    // Not "self": in a child process of the runtime, that would be another file, or none.
    const target = procFile(`${readlinkSync(procFile('self'))}/fd/${fd}`)
    const { dev, ino } = statSync(target, { bigint: true })
    if (dev !== identity.dev || ino !== identity.ino) return false
    symlinkSync(target, path)
    return true
  } catch {
    return false
  }
}

export function linkHard(file: SourceFile, fd: number, path: string): SourceFile {
  try {
    linkSync(file.path, path)
  } catch (cause) {
    throw notInPlace(
      file,
      `a file that cannot be linked from ${shown(dirname(path))} (${errno(cause)})`,
      linkHint(cause),
    )
  }
  try {
    // A hard link changes only the ctime of the file.
    const before = file.identity
    const now = identityOf(fstatSync(fd, { bigint: true }))
    const { dev, ino } = lstatSync(path, { bigint: true })
    if (dev !== before.dev || ino !== before.ino) throw changed(file, 'it was replaced by another file')
    if (now.size !== before.size || now.mtimeNs !== before.mtimeNs) throw changed(file, 'it was written to')
    return { name: file.name, path, identity: now }
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

export function close(files: readonly SourceFile[]): void {
  for (const { fd } of files) if (fd !== undefined) closeSync(fd)
}

/**
 * Node.js creates symbolic links only if it may read and write everything, and hard links only if it may write to the
 * original.
 */
function linkHint(cause: unknown): string | undefined {
  if (codeOf(cause) === 'ERR_ACCESS_DENIED')
    return 'Node.js runs with --permission: start it with --allow-fs-read=* and --allow-fs-write=* as well, or load the model under the isolation "copy".'
  if (codeOf(cause) === 'EXDEV')
    return 'Set TMPDIR to a directory on the file system of the model, or load it under the isolation "copy".'
  return undefined
}

const CHANGE_OWNER = 'Change its owner or mode, or load it under the isolation "copy".'

export function notInPlace(file: SourceFile, found: string, hint = CHANGE_OWNER): ModelSealError {
  return new ModelSealError('ISOLATION_REFUSED', `Cannot load the file ${shown(file.name)} in place.`, {
    file: file.name,
    expected: 'a file on a local file system that belongs to root or this user and that nobody else can write to',
    found,
    hint,
  })
}
