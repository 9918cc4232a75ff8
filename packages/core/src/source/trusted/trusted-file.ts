import { constants, lstatSync, statSync, type BigIntStats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { ModelSealError, shown } from '../../errors.ts'
import { isTrustedOwner } from '../private/ownership.ts'
import { checkGiven, notOpened, READ_ONLY, readOpened, readSmallFile, type SmallFile } from '../read-small-file.ts'
import { errno, systemError } from '../file-errors.ts'
import { isSame, type Inode } from '../local/real-path.ts'
import { foreignFileSystem } from '../local/file-system.ts'
import { wallClock } from '../../real-time.ts'
import { isSettled } from '../local/settling.ts'
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
 * @param read receives the state of the file
 * @throws {@link ModelSealError} `trust.code`, and the codes of {@link readSmallFile}
 */
export async function readTrustedFile(
  path: string,
  file: SmallFile,
  trust: Trust,
  read?: (state: FileRead) => void,
): Promise<Buffer<ArrayBuffer>> {
  if (!process.geteuid) {
    const bytes = await readSmallFile(path, file)
    read?.({ state: undefined, bytes: bytes.length })
    return bytes
  }
  checkGiven(path, file)
  const { handle, state } = await openTrusted({ path, file, trust })
  const bytes = await readOpened(handle, path, file)
  read?.({ state, bytes: bytes.length })
  return bytes
}

/** A file that was read. */
export interface FileRead {
  /** As {@link trustedState} returns it; undefined if a later change to the file might not show in its state. */
  state: string | undefined
  /** Its size. */
  bytes: number
}

/**
 * Makes the checks of {@link readTrustedFile} without reading the file.
 *
 * @param path absolute
 * @returns a text that identifies the directories and links on the path, and the state of the file. It is the same only
 * if reading the file would give the same bytes again
 * @throws what {@link readTrustedFile} throws about the path, and any error of the operating system
 */
export function trustedState(path: string, file: SmallFile, trust: Trust): string {
  const asked = { path, file, trust }
  const { place, trail } = follow(asked)
  const stat = lstatSync(place.path, { bigint: true })
  checkLedTo(asked, stat)
  checkEntry({ ...place, kind: 'file', stat, writable: isWritableByOthers(stat, place.path) }, asked)
  return stateText(trail, place, stat)
}

interface OpenedFile {
  handle: FileHandle
  state: string | undefined
}

async function openTrusted(asked: TrustedFile): Promise<OpenedFile> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openChecked(asked)
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !wasReplaced(error)) throw error
    }
  }
}

async function openChecked(asked: TrustedFile): Promise<OpenedFile> {
  const { place, trail, failed } = follow(asked)
  const handle = await open(place.path, READ_ONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw failed(error)
  })
  try {
    const moment = wallClock()
    const stat = await handle.stat({ bigint: true })
    checkLedTo(asked, stat)
    // readOpened() refuses anything that is not a regular file.
    if (stat.isFile())
      checkEntry({ ...place, kind: 'file', stat, writable: isWritableByOthers(stat, fileOf(handle, place)) }, asked)
    // Taken before the first byte is read, so that every change from here on shows.
    const state = showsChanges(stat, place, moment) ? stateText(trail, place, stat) : undefined
    return { handle, state }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Checks each directory and link on the path. The trail identifies them. */
function follow(asked: TrustedFile): { place: Place; trail: string[]; failed: Follower['failed'] } {
  const failed: Follower['failed'] = (error, found) => notOpened(asked.path, asked.file, error, found)
  const trail: string[] = []
  const check = (entry: PathEntry) => {
    checkEntry(entry, asked)
    trail.push(JSON.stringify([entry.path, String(entry.stat.dev), String(entry.stat.ino)]))
  }
  return { place: followTrusted(asked.path, { check, failed }), trail, failed }
}

type Place = Pick<PathEntry, 'path' | 'shared'>

function stateText(trail: readonly string[], { path }: Place, stat: BigIntStats): string {
  const { dev, ino, mode, size, mtimeNs, ctimeNs } = stat
  return [...trail, JSON.stringify([path, ...[dev, ino, mode, size, mtimeNs, ctimeNs].map(String)])].join('\n')
}

/**
 * True if every change to the file since a moment before its state was read will show in the state, for this and every
 * other process.
 */
function showsChanges(stat: BigIntStats, { path }: Place, moment: number): boolean {
  return (
    process.platform === 'linux' && stat.isFile() && isSettled(stat, moment) && foreignFileSystem(path) === undefined
  )
}

/** The links of procfs do not lead where their text says, and the kernel does not follow the text. */
function checkLedTo({ path, file, trust }: TrustedFile, found: Inode): void {
  if (isSame(named({ path, file, trust }), found)) return
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

function named({ path, file }: TrustedFile): Inode {
  try {
    return statSync(path, { bigint: true })
  } catch (error) {
    throw notOpened(path, file, error)
  }
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
