import { accessSync, closeSync, constants, existsSync, lstatSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { environment } from '../../environment.ts'
import { ModelSealError, type SerializedError } from '../../errors.ts'
import { path } from '../../kinds.ts'
import { findPolicy } from '../../policy/find-policy.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { errno } from '../../source/file-errors.ts'
import { foreignFileSystem } from '../../source/local/file-system.ts'
import { identityOf } from '../../source/local/source-file.ts'
import { cacheFolder, checkCacheFolder } from '../../source/private/cache-directory.ts'
import { octalMode } from '../../source/private/ownership.ts'
import { roomIn, type Placed } from '../../source/private/temporary-places.ts'
import { PLACE_HINT } from '../placing/isolation.ts'
import { linkAny } from '../placing/link-in-place.ts'
import { PrivatePlaces, type PrivatePlace } from '../placing/private-places.ts'

/** What loads find on this machine. */
export interface HostFacts {
  policy: { path: string; from: 'option' | 'environment' | 'search' } | { problem: SerializedError }
  cache: DirectoryFacts
  temporary: DirectoryFacts
  isolation: { copy: IsolationFacts; inPlace: IsolationFacts }
}

/** A directory that loads write to. */
export interface DirectoryFacts {
  /** Absolute; absent if there is none, such as for a user without a home directory. */
  path?: string
  exists: boolean
  /** Whether this user may create files in it, or the directory itself. */
  writable: boolean
  /** Numeric id of the user. */
  owner?: number
  /** As `chmod` takes it. */
  mode?: string
  /** Free space in bytes; absent if it is unknown. */
  room?: number
  problem?: SerializedError
}

/** Whether a runtime can get paths of files at this level. */
export interface IsolationFacts {
  /** Where the private directory of a load would be. */
  place?: string
  /** Why places that come before it, or files of the working directory, are not suitable. */
  notes: string[]
  problem?: SerializedError
}

interface ExamineOptions {
  /** Path of the policy. Default: the one that a load would find. */
  policy?: string | undefined
}

const OPTIONS: Shape<ExamineOptions> = { policy: path }

/**
 * Examines what this machine allows loads to do, by what a load itself does: it looks for the policy, checks the cache directory, and makes
 * and removes a private directory for copies and one for links. Nothing is created elsewhere, and no model is read.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a relative path in an environment variable if the working directory was deleted
 */
export async function examineHost(given: ExamineOptions = {}): Promise<HostFacts> {
  const { policy } = snapshot(given, OPTIONS, 'examineHost')
  return {
    policy: await policyFacts(policy),
    cache: await cacheFacts(),
    temporary: directoryFacts(tmpdir()),
    isolation: { copy: await isolationFacts('copies'), inPlace: await isolationFacts('links') },
  }
}

async function policyFacts(given: string | undefined): Promise<HostFacts['policy']> {
  try {
    const path = await findPolicy(given)
    if (given !== undefined) return { path, from: 'option' }
    return { path, from: environment().variables.MODELSEAL_POLICY === undefined ? 'search' : 'environment' }
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

async function cacheFacts(): Promise<DirectoryFacts> {
  const folder = cacheFolder('receipts')
  if (folder === undefined) return { exists: false, writable: false }
  const facts = directoryFacts(dirname(folder))
  try {
    for (const kind of ['receipts', 'placed', 'sigstore', 'advisories']) await checkCacheFolder(kind)
    return facts
  } catch (error) {
    return { ...facts, problem: problemOf(error) }
  }
}

function directoryFacts(path: string): DirectoryFacts {
  const existing = nearestExisting(path)
  const room = roomIn(existing)
  const facts = { path, writable: isWritable(existing), ...(room !== Infinity && { room }) }
  try {
    const stat = lstatSync(path, { bigint: true })
    return { ...facts, exists: true, owner: Number(stat.uid), mode: octalMode(stat) }
  } catch {
    return { ...facts, exists: false }
  }
}

function nearestExisting(path: string): string {
  const above = dirname(path)
  return existsSync(path) || above === path ? path : nearestExisting(above)
}

/** Not below a file, on a read-only file system, or in a directory of another user. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function isolationFacts(placed: Placed): Promise<IsolationFacts> {
  const places = new PrivatePlaces(placed, (remedy = PLACE_HINT) => `${remedy}.`)
  try {
    const present = await places.present()
    probe(present, placed)
    // The directory of the load, and the one for files in it.
    const place = dirname(dirname(present.directory))
    return { place, notes: placed === 'links' ? [...places.notes, ...foreignNotes()] : places.notes }
  } catch (error) {
    return { notes: [], problem: problemOf(error) }
  } finally {
    await places.remove()
  }
}

/** Writes a file as a load does, and links to it. */
function probe({ directory }: PrivatePlace, placed: Placed): void {
  const path = join(directory, 'probe')
  writeFileSync(path, 'modelseal', { flag: 'wx', mode: 0o600 })
  if (placed === 'copies') return
  const fd = openSync(path, 'r')
  try {
    const identity = identityOf(lstatSync(path, { bigint: true }))
    linkAny({ name: 'probe', path, identity }, fd, join(directory, 'link'))
  } finally {
    closeSync(fd)
  }
}

/** On Linux, files are used in place only if no other machine can change them. */
function foreignNotes(): string[] {
  const { directory } = environment()
  const foreign = process.platform === 'linux' && directory !== undefined ? foreignFileSystem(directory) : undefined
  return foreign === undefined ? [] : [`The working directory is on ${foreign}, so models in it are copied.`]
}

function problemOf(error: unknown): SerializedError {
  if (error instanceof ModelSealError) return error.toJSON()
  return new ModelSealError('INTERNAL', 'Cannot examine this machine.', { found: errno(error) }).toJSON()
}
