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

/** What tells one file or directory from any other, whatever its path. */
export interface Inode {
  dev: bigint
  ino: bigint
}

/** Where a path leads. */
export interface RealPlace {
  /** Absolute. No link is left in it, except for a magic link of procfs that leads to where no plain path does. */
  path: string
  /** What is there. */
  inode: Inode
}

/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40
/** linux/magic.h: PROC_SUPER_MAGIC. */
const PROCFS = 0x9fa0
/** fcntl.h of Linux: a descriptor that says where a file is, and needs no permission to read it. */
const O_PATH = 0o10_000_000

/**
 * Follows all links of a path, as the kernel does when it opens the path.
 *
 * The magic links of procfs (`/proc/PID/root`, `cwd` and `fd/N`, see proc(5)) lead to a place that their text names as another
 * process sees it: in another mount namespace, the same text is another file. `realpath()` goes by the text. Here such a link
 * stays in the path, unless its text leads to the same directory on the same mount.
 *
 * @param path absolute
 * @throws {@link ModelSealError} `PATH_AMBIGUOUS` where the path that was found does not lead to what the given one does; and what
 * `stat()` throws
 */
export function realPlace(path: string): RealPlace {
  // Looked at twice, for a link that is exchanged meanwhile.
  for (let attempts = 2; attempts > 0; attempts--) {
    const { dev, ino } = statSync(path, { bigint: true })
    const real = process.platform === 'linux' ? followed(path) : realpathSync.native(path)
    const found = attempted(() => statSync(real, { bigint: true }))
    if (found && isSame(found, { dev, ino })) return { path: real, inode: { dev, ino } }
  }
  throw new ModelSealError(
    'PATH_AMBIGUOUS',
    `Cannot use the path ${shown(path)}: its symbolic links lead elsewhere than they say.`,
    {
      file: path,
      expected: 'a path that leads to the same file if its links are followed one by one',
      hint: 'Give the path of the file or directory itself. If links are being replaced at this moment, try again.',
    },
  )
}

/**
 * The path that {@link realPlace} finds; what is not there, or cannot be looked at, is left as it was given.
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
 * True where the path of a directory has no link in it: what reads the text of links, as `realpath()` does, comes to the same
 * directory as the kernel.
 */
export function isPlain(directory: string): boolean {
  return attempted(() => realpathSync.native(directory)) === directory
}

/** True where both are the same file or directory. */
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
      // No link is left in what is done, so this is the directory above.
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
    // Links of procfs that are no magic ones, such as /proc/self, have a relative text.
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

/** Below a directory that is the same on both sides, another mount namespace may have mounted something else. */
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

/** Undefined where nothing is there, or nothing that can be looked at. */
function attempted<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
