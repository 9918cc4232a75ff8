import { lstatSync, type BigIntStats } from 'node:fs'
import { ModelSealError, shown } from '../../errors.ts'
import { wallClock } from '../../real-time.ts'
import { othersMayWrite } from '../private/ownership.ts'
import { isGone, unreadable } from '../file-errors.ts'
import { eachOf, inTurns, type Steps } from '../turns.ts'
import { isSettled } from './settling.ts'

/** A regular file of a model that was found, but not inspected yet. */
export interface FoundFile {
  /** Name relative to the model root, with `/` between components. */
  name: string
  /** Absolute path. */
  path: string
  /** The directory in which it was found; absent for a file behind a link, or one that is the whole model. */
  directory?: FoundDirectory
}

/** A directory of a model, in its state before its files were found. */
export interface FoundDirectory {
  /** Absolute, without links. */
  path: string
  /** Absolute path of the root of the model. */
  root: string
  dev: bigint
  ino: bigint
}

/** A regular file of a model and its state, not read yet. */
export interface SourceFile extends FoundFile {
  identity: FileIdentity
  /** Why users other than root and this one can write to it, as a phrase; absent if they cannot. */
  exposed?: string
  /** True if it changed so recently that another change might not show in its state. */
  young?: boolean
  /** An open descriptor through which the file is read instead of by its path. */
  fd?: number
}

/** Identifies one state of one file. */
export interface FileIdentity {
  dev: bigint
  ino: bigint
  /** Bytes. */
  size: number
  mtimeNs: bigint
  ctimeNs: bigint
}

/** Files inspected between two looks at the clock. */
const FILES_PER_STEP = 32

/**
 * Reads the states of files that were found. Yields to the event loop every few milliseconds.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED` if it is no longer a regular file, `FILE_UNREADABLE`, `ABORTED`
 */
export function statesOf(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<SourceFile[]> {
  return inTurns(stateSteps(files), signal)
}

function* stateSteps(files: readonly FoundFile[]): Steps<SourceFile[]> {
  const states: SourceFile[] = []
  for (const file of files) {
    states.push(stateOf(file))
    if (states.length % FILES_PER_STEP === 0) yield
  }
  return states
}

/** The files of a model that were found on disk. */
export interface Listing {
  files: readonly SourceFile[]
  byName: Map<string, SourceFile>
  /** Their total size. */
  bytes: number
}

export function* listingOf(files: readonly SourceFile[]): Steps<Listing> {
  const byName = new Map<string, SourceFile>()
  let bytes = 0
  yield* eachOf(files, (file) => {
    byName.set(file.name, file)
    bytes += file.identity.size
  })
  return { files, byName, bytes }
}

function stateOf(file: FoundFile): SourceFile {
  const { name, path } = file
  const moment = wallClock()
  const stat = readState(file)
  if (stat.isSymbolicLink()) throw changed(file, 'it became a symbolic link')
  if (!stat.isFile()) throw changed(file, 'it is no longer a regular file')
  const identity = identityOf(stat)
  const exposed = othersMayWrite(stat)
  return {
    name,
    path,
    identity,
    ...(exposed === undefined ? {} : { exposed }),
    ...(isSettled(identity, moment) ? {} : { young: true }),
  }
}

function readState(file: FoundFile): BigIntStats {
  try {
    return lstatSync(file.path, { bigint: true })
  } catch (error) {
    throw isGone(error) ? changed(file, 'it disappeared') : unreadable(file.path, 'file', error)
  }
}

/**
 * The state of whatever is at a path. Links are not followed.
 *
 * @throws {@link ModelSealError} `FILE_UNREADABLE`
 */
export function stateAt(path: string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    throw unreadable(path, 'file', error)
  }
}

/** The identity of a file as `lstat` or `fstat` reports it. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size: Number(size), mtimeNs, ctimeNs }
}

/** Refuses a file that changed during the operation. */
export function changed(file: FoundFile, how: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `The file ${shown(file.name)} changed while it was read: ${how}.`, {
    file: file.name,
    hint: 'Make sure that nothing writes to the model while it is signed or loaded.',
  })
}

/** Refuses anything but a file, a directory or a link. */
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
