import { closeSync, constants, existsSync, lstatSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isOwn } from './ownership.ts'
import { errno } from '../file-errors.ts'
import { procFile } from '../proc-file.ts'

/**
 * A Unix socket in a directory. It listens as long as the thread that opened it lives, and refuses connections
 * afterwards, however the thread ended. Unlike a process id, this works across all containers that share the directory.
 */
export interface SignOfLife {
  end(): void
}

/** Name of the socket, which it gets only when it listens. */
const ALIVE = 'alive'
const STARTING = 'starting'

/** Longest path of a socket: 104 bytes with the NUL on macOS, 108 on Linux. */
const MAX_PATH_BYTES = 103

/** How long to wait for a socket to answer, in milliseconds. One that does not answer counts as alive. */
const ANSWER_MS = 1000

/** How old a socket that starts is if its thread was killed, in milliseconds. */
const STARTING_MS = 10_000

/**
 * Shows that this thread is using its private directory.
 *
 * @param mayUse asked once nobody else can start in the directory
 * @returns undefined if that is not possible; such a directory is never taken for abandoned
 */
export async function showLife(
  directory: string,
  mayUse: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<SignOfLife | undefined> {
  // On Windows, a named pipe is in no directory.
  if (process.platform === 'win32') return undefined
  const place = socketPlace(directory)
  if (!place) return undefined
  try {
    const { createServer } = await import('node:net')
    // The connection itself is the answer.
    const server = createServer((socket) => socket.destroy()).unref()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Otherwise, in a worker of node:cluster, the primary process would listen instead.
      server.listen({ path: join(place.path, STARTING), exclusive: true }, resolve)
    })
    server.on('error', () => {})
    const end = () => {
      server.close()
      place.close()
    }
    try {
      if (!(await mayUse())) throw new Error('in use')
      renameSync(join(directory, STARTING), join(directory, ALIVE))
    } catch {
      end()
      return undefined
    }
    return { end }
  } catch {
    place.close()
    return undefined
  }
}

/**
 * Shows that this thread is using a directory that several may want at once. Only one gets it: whoever listens under the
 * name of a socket that starts keeps all others from doing so until it has seen whether another one is alive.
 *
 * @returns false if another thread is using it; undefined if threads cannot show their lives there
 */
export async function claimDirectory(directory: string): Promise<SignOfLife | undefined | false> {
  const starting = join(directory, STARTING)
  const earlier = lstatSync(starting, { throwIfNoEntry: false })
  if (earlier) {
    // Only a killed process leaves it.
    if (Date.now() - earlier.mtimeMs < STARTING_MS) return false
    rmSync(starting, { force: true })
  }
  const isFree = async () => !existsSync(join(directory, ALIVE)) || (await isAbandoned(directory))
  const seen = { isStarted: false }
  const life = await showLife(directory, () => {
    seen.isStarted = true
    return isFree()
  })
  if (life) return life
  // Another thread is alive, began to listen first, or removed the directory.
  return seen.isStarted || existsSync(starting) || !existsSync(directory) || !(await isFree()) ? false : undefined
}

/**
 * True if the thread that showed its life in a directory has ended. In case of doubt, it is alive.
 *
 * @param directory that only this user can enter
 */
export async function isAbandoned(directory: string): Promise<boolean> {
  const stat = lstatSync(join(directory, ALIVE), { bigint: true, throwIfNoEntry: false })
  if (!stat?.isSocket() || !isOwn(stat)) return false
  const place = socketPlace(directory)
  if (!place) return false
  try {
    return await refusesConnections(join(place.path, ALIVE))
  } finally {
    place.close()
  }
}

async function refusesConnections(path: string): Promise<boolean> {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ path })
    const answer = (refused: boolean) => {
      socket.destroy()
      resolve(refused)
    }
    socket.setTimeout(ANSWER_MS, () => answer(false))
    socket.once('connect', () => answer(false))
    // unix(7): the socket exists, but nobody is listening.
    socket.on('error', (error) => answer(errno(error) === 'ECONNREFUSED'))
  })
}

/** A path to the directory that is short enough for its sockets; undefined if there is none. */
function socketPlace(directory: string): { path: string; close(): void } | undefined {
  if (Buffer.byteLength(join(directory, STARTING)) <= MAX_PATH_BYTES) return { path: directory, close: () => {} }
  if (process.platform !== 'linux') return undefined
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    return { path: procFile(`self/fd/${fd}`), close: () => closeSync(fd) }
  } catch {
    return undefined
  }
}
