// What a user does to the files of the scratch directory. Every name is relative to it.
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** A letter and how often it is repeated, such as `a:3000`. */
export type Content = `${string}:${number}`

export type Tampering =
  | { do: 'write' | 'replace' | 'add'; name: string; content: Content }
  | { do: 'remove' | 'truncate'; name: string }
  | { do: 'swap' | 'hardLink' | 'link'; name: string; other: string }
  | { do: 'linkDirectory' | 'unlinkDirectory' }
  | { do: 'chmod'; name: string; mode: number }
  | { do: 'chown'; name: string; owner: number }

export function bytesOf(content: Content): Buffer {
  return Buffer.alloc(sizeOf(content), content[0])
}

export function sizeOf(content: Content): number {
  return Number(content.slice(2))
}

/** @returns false if the operating system does not let this user do it */
export function tamper(root: string, tampering: Tampering): boolean {
  try {
    change(root, tampering)
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

function change(root: string, tampering: Tampering): void {
  const path = (name: string) => join(root, name)
  const aside = path(`aside/${process.pid}`)
  rmSync(aside, { force: true })
  try {
    switch (tampering.do) {
      case 'write':
        writeInPlace(path(tampering.name), bytesOf(tampering.content))
        break
      case 'replace':
        writeFileSync(aside, bytesOf(tampering.content))
        chmodSync(aside, 0o644)
        accessSync(path(tampering.name))
        renameSync(aside, path(tampering.name))
        break
      case 'add':
        writeFileSync(path(tampering.name), bytesOf(tampering.content), { flag: 'wx' })
        chmodSync(path(tampering.name), 0o644)
        break
      case 'remove':
        rmSync(path(tampering.name))
        break
      case 'truncate':
        truncateSync(path(tampering.name), 7)
        break
      case 'swap':
        for (const name of [tampering.name, tampering.other]) accessSync(dirname(path(name)), constants.W_OK)
        renameSync(path(tampering.name), aside)
        renameSync(path(tampering.other), path(tampering.name))
        renameSync(aside, path(tampering.other))
        break
      case 'hardLink':
        linkSync(path(tampering.other), aside)
        renameSync(aside, path(tampering.name))
        break
      case 'link':
        symlinkSync(path(tampering.other), aside)
        renameSync(aside, path(tampering.name))
        break
      case 'linkDirectory':
        renameSync(path('model/sub'), path('aside/sub'))
        symlinkSync('../aside/sub', path('model/sub'))
        break
      case 'unlinkDirectory':
        rmSync(path('model/sub'))
        renameSync(path('aside/sub'), path('model/sub'))
        break
      case 'chmod':
        chmodSync(path(tampering.name), tampering.mode)
        break
      case 'chown':
        chownSync(path(tampering.name), tampering.owner, tampering.owner)
    }
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Puts the size and mtime back, if the size stays the same. */
function writeInPlace(path: string, bytes: Buffer): void {
  const fd = openSync(path, 'r+')
  try {
    const { atimeMs, mtimeMs, size } = fstatSync(fd)
    writeSync(fd, bytes, 0, bytes.length, 0)
    if (size !== bytes.length) ftruncateSync(fd, bytes.length)
    try {
      futimesSync(fd, atimeMs / 1000, mtimeMs / 1000)
    } catch {
      // Only the owner may set times.
    }
  } finally {
    closeSync(fd)
  }
}
