import { lstatSync, type BigIntStats } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { ModelSealError, shown } from '../errors.ts'
import { throwIfAborted } from './aborted.ts'
import { linksNotAllowed } from './follow-link.ts'
import { othersMayWrite } from './ownership.ts'
import { unreadable } from './read-small-file.ts'
import { isSettled } from './settling.ts'

/** One regular file of a model, found but not yet looked at. */
export interface FoundFile {
  /** Name relative to the model root, with `/` between components. */
  name: string
  /** Absolute path. */
  path: string
}

/** One regular file of a model in the state in which it was found, not yet read. */
export interface SourceFile extends FoundFile {
  identity: FileIdentity
  /** What lets somebody else than root and this user write to it, as a phrase; absent where nothing does. */
  exposed?: string
  /** True where it had changed so shortly before it was looked at that a further change may not show. */
  young?: boolean
  /** A descriptor that is open for reading: the file is read through it, and not by its path. */
  fd?: number
}

/** What tells one state of one file from any other. */
export interface FileIdentity {
  dev: bigint
  ino: bigint
  /** Bytes. */
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
}

/** Files looked at between two turns of the event loop. */
const FILES_PER_TURN = 2_000

/**
 * The states of files that were found.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_UNREADABLE`, `ABORTED`
 */
export async function statesOf(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<SourceFile[]> {
  const states: SourceFile[] = []
  for (const file of files) {
    states.push(stateOf(file))
    if (states.length % FILES_PER_TURN !== 0) continue
    await setImmediate()
    throwIfAborted(signal)
  }
  return states
}

/**
 * The state of a file that was found. It is not opened.
 *
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export function stateOf({ name, path }: FoundFile): SourceFile {
  const stat = readState(path)
  if (stat.isSymbolicLink()) throw linksNotAllowed(path, name)
  if (!stat.isFile()) throw special(path, name)
  const identity = identityOf(stat)
  const exposed = othersMayWrite(stat)
  return {
    name,
    path,
    identity,
    ...(exposed === undefined ? {} : { exposed }),
    ...(isSettled(identity) ? {} : { young: true }),
  }
}

/** The identity of a file as `lstat` or `fstat` reports it. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size: Number(size), mtimeNs, ctimeNs }
}

function readState(path: string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    throw unreadable(path, 'file', error)
  }
}

/** The refusal of what is neither a file nor a directory nor a link. */
export function special(path: string, name: string): ModelSealError {
  return new ModelSealError(
    'FILE_SPECIAL',
    `${shown(name)} is a socket, FIFO or device, which a model may not contain.`,
    {
      file: name,
      hint: `Remove ${shown(path)} from the model.`,
    },
  )
}
