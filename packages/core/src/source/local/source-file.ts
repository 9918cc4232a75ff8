import { lstatSync, type BigIntStats } from 'node:fs'
import { ModelSealError, shown } from '../../errors.ts'
import { nextTurn } from '../aborted.ts'
import { othersMayWrite } from '../private/ownership.ts'
import { isGone, unreadable } from '../file-errors.ts'
import { isSettled } from './settling.ts'

/** One regular file of a model, found but not yet looked at. */
export interface FoundFile {
  /** Name relative to the model root, with `/` between components. */
  name: string
  /** Absolute path. */
  path: string
  /** In which it was found; absent for a file that is itself behind a link, or the whole model. */
  directory?: FoundDirectory
}

/** A directory of a model, as it was before its files were found. */
export interface FoundDirectory {
  /** Absolute, without links. */
  path: string
  dev: bigint
  ino: bigint
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
 * @throws {@link ModelSealError} `FILE_CHANGED` for what is a regular file no longer, `FILE_UNREADABLE`, `ABORTED`
 */
export async function statesOf(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<SourceFile[]> {
  const states: SourceFile[] = []
  for (const file of files) {
    states.push(stateOf(file))
    if (states.length % FILES_PER_TURN === 0) await nextTurn(signal)
  }
  return states
}

function stateOf(file: FoundFile): SourceFile {
  const { name, path } = file
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
    ...(isSettled(identity) ? {} : { young: true }),
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
 * What lies at a path; a link is not followed.
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

/** The refusal of a file that changed under our eyes. */
export function changed(file: FoundFile, how: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `The file ${shown(file.name)} changed while it was read: ${how}.`, {
    file: file.name,
    hint: 'Make sure that nothing writes to the model while it is signed or loaded.',
  })
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
