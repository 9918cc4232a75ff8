import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { systemError } from '../file-errors.ts'
import { procFile } from '../proc-file.ts'

/** Identifies a file or directory, whatever its path. */
export interface Inode {
  dev: bigint
  ino: bigint
}

/** The target of a path. */
interface RealPlace {
  /** Absolute, without links, except for a magic link of procfs whose target has no plain path. */
  path: string
  /** The inode at the path. */
  inode: Inode
}

/** The limit of Linux (path_resolution(7)). */
const MAX_LINKS = 40
/** linux/magic.h: PROC_SUPER_MAGIC. */
const PROCFS = 0x9fa0
/** fcntl.h of Linux: a descriptor that only identifies a file and needs no permission to read it. */
const O_PATH = 0o10_000_000

/**
 * Follows all links of a path, as the kernel does when it opens the path.
 *
 * The text of a magic link of procfs (`/proc/PID/root`, `cwd` and `fd/N`, see proc(5)) is a path as another process
 * sees it; in this process's mount namespace, the same text can be another file. `realpath()` follows the text. Here,
 * such a link stays in the path unless its text leads to the same directory on the same mount.
 *
 * @param path absolute
 * @throws {@link ModelSealError} `PATH_AMBIGUOUS` if the resolved path does not lead to the same file as the given one;
 * and what `stat()` throws
 */
export function realPlace(path: string): RealPlace {
  // A second attempt, in case a link was replaced in between.
  for (let attempts = 2; attempts > 0; attempts--) {
    const { dev, ino } = statSync(path, { bigint: true })
    const real = process.platform === 'linux' ? followed(path) : realpathSync.native(path)
    const found = attempted(() => statSync(real, { bigint: true }))
    if (found && isSame(found, { dev, ino })) return { path: real, inode: { dev, ino } }
  }
  throw new ModelSealError(
    'PATH_AMBIGUOUS',
    `Cannot use the path ${shown(path)}: its symbolic links do not lead where their text says.`,
    {
      file: path,
      expected: 'a path that leads to the same file when its links are followed one by one',
      hint: 'Use the path of the file or directory itself. If its links were being replaced, try again.',
    },
  )
}

/**
 * The path as {@link realPlace} resolves it; unchanged if it does not exist or cannot be inspected.
 *
 * @throws {@link ModelSealError} `PATH_AMBIGUOUS`
 */
export function realPathIfAny(path: string): string {
  try {
    return realPlace(path).path
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    return path
  }
}

/**
 * True if the path of a directory contains no link, so that code that reads the text of links, such as `realpath()`,
 * finds the same directory as the kernel.
 */
export function isPlain(directory: string): boolean {
  return attempted(() => realpathSync.native(directory)) === directory
}

/** True if both are the same file or directory. */
export function isSame(a: Inode, b: Inode): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

function followed(path: string): string {
  const rest = path.split('/')
  let done = ''
  let links = 0
  let magic = false
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      // `done` contains no links, so this is its parent directory.
      done = done.slice(0, Math.max(done.lastIndexOf('/'), 0))
      continue
    }
    const place = `${done}/${name}`
    if (!lstatSync(place).isSymbolicLink()) {
      done = place
      continue
    }
    if (++links > MAX_LINKS) throw systemError('ELOOP')
    const text = readlinkSync(place)
    // Ordinary links of procfs, such as /proc/self, have a relative text.
    if (isAbsolute(text) && statfsSync(dirname(place)).type === PROCFS) {
      magic = true
      done = place
    } else {
      rest.unshift(...text.split('/'))
      if (isAbsolute(text)) done = ''
    }
  }
  const plain = magic ? attempted(() => realpathSync.native(path)) : undefined
  return plain !== undefined && isOnSameMount(plain, path) ? plain : done || '/'
}

/** The same directory can have different mounts below it in another mount namespace. */
function isOnSameMount(a: string, b: string): boolean {
  const [x, y] = [mountedInode(a), mountedInode(b)]
  return x !== undefined && x === y
}

function mountedInode(path: string): string | undefined {
  return attempted(() => {
    const fd = openSync(path, O_PATH)
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true })
      const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(procFile(`self/fdinfo/${fd}`), 'latin1'))?.[1]
      return mount && `${mount}:${dev}:${ino}`
    } finally {
      closeSync(fd)
    }
  })
}

/** Undefined if nothing exists there, or it cannot be inspected. */
function attempted<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
