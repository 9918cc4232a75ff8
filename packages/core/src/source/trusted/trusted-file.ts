import { constants } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { ModelSealError, shown } from '../../errors.ts'
import { isTrustedOwner } from '../private/ownership.ts'
import { checkGiven, notOpened, READ_ONLY, readOpened, readSmallFile, type SmallFile } from '../read-small-file.ts'
import { errno, systemError } from '../file-errors.ts'
import { isSame, type Inode } from '../local/real-path.ts'
import { followTrusted, type Follower, type PathEntry } from './trusted-path.ts'
import { exposed, foreign, planted, type Trust, type TrustedFile } from './untrusted.ts'
import { isAnybody } from '../private/user-namespace.ts'
import { isWritableByOthers } from '../private/write-access.ts'
import { procFile } from '../proc-file.ts'

/** Maximum number of attempts if something on the path is being replaced. */
const MAX_ATTEMPTS = 4

/**
 * Reads a small file that only root, this user and perhaps one further user can have written or put there. Every
 * directory and link on the path is checked before it is followed, and finally the file itself, by its descriptor.
 * After these checks, nobody else can replace any of them.
 *
 * Windows has no owners and modes to check; there, this is {@link readSmallFile}.
 *
 * @param path absolute
 * @throws {@link ModelSealError} `trust.code`, and the codes of {@link readSmallFile}
 */
export async function readTrustedFile(path: string, file: SmallFile, trust: Trust): Promise<Buffer<ArrayBuffer>> {
  if (!process.geteuid) return readSmallFile(path, file)
  checkGiven(path, file)
  return readOpened(await openTrusted({ path, file, trust }), path, file)
}

async function openTrusted(asked: TrustedFile): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openChecked(asked)
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !wasReplaced(error)) throw error
    }
  }
}

async function openChecked(asked: TrustedFile): Promise<FileHandle> {
  const failed = (error: unknown, found?: string) => notOpened(asked.path, asked.file, error, found)
  const check = (entry: PathEntry) => checkEntry(entry, asked)
  const place = followTrusted(asked.path, { check, failed })
  const handle = await open(place.path, READ_ONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw failed(error)
  })
  try {
    const stat = await handle.stat({ bigint: true })
    await checkLedTo(asked, stat, failed)
    // readOpened() refuses anything that is not a regular file.
    if (stat.isFile())
      check({ ...place, kind: 'file', stat, writable: isWritableByOthers(stat, fileOf(handle, place)) })
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The links of procfs do not lead where their text says, and the kernel does not follow the text. */
async function checkLedTo({ path, file, trust }: TrustedFile, found: Inode, failed: Follower['failed']): Promise<void> {
  const named = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw failed(error)
  })
  if (isSame(named, found)) return
  throw new ModelSealError(
    trust.code,
    `Cannot use the ${file.what} ${shown(path)}: its links do not lead where their text says.`,
    {
      file: path,
      expected: 'a path whose symbolic links can be followed one by one',
      hint: 'Use the path of the file itself, without /proc in it.',
      cause: systemError(LED_ELSEWHERE),
    },
  )
}

/** Also happens if a link is replaced in between. */
const LED_ELSEWHERE = 'ELSEWHERE'

/**
 * A trusted user may have replaced the file: by a rename, or as Kubernetes does, by pointing a link to another
 * directory and removing the previous one.
 */
function wasReplaced(error: unknown): boolean {
  return error instanceof ModelSealError && REPLACED.has(errno(error.cause))
}

const REPLACED = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', LED_ELSEWHERE])

/** A path to the very file that is open, if the system provides one. */
function fileOf({ fd }: FileHandle, { path }: { path: string }): string {
  return process.platform === 'linux' ? procFile(`self/fd/${fd}`) : path
}

const STICKY = 0o1000n

/** @throws {@link ModelSealError} `trust.code` */
function checkEntry(entry: PathEntry, asked: TrustedFile): void {
  const { stat, kind, writable, shared } = entry
  const isFurther = stat.uid === asked.trust.furtherOwner && !isAnybody(stat.uid)
  if (!isTrustedOwner(stat.uid) && !isFurther) throw foreign(entry, asked)
  // In a sticky directory, others cannot rename or remove files that they do not own.
  const sticky = kind === 'directory' && (stat.mode & STICKY) !== 0n
  if (writable && !sticky) throw exposed(entry, asked)
  // But they can put a file of this user there: by hard-linking it, or by moving one that this user left in their
  // directory. They can move a directory only if they can write to it.
  if (shared !== undefined && kind !== 'directory') throw planted(entry, shared, asked)
}
