import { closeSync, constants, lstatSync, openSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { isOwn } from './ownership.ts'
import { errno } from './read-small-file.ts'

/**
 * A Unix socket in a directory, which listens as long as the thread lives that opened it, and refuses connections
 * from then on, however the thread ended. Other than the id of a process, it tells so in every container
 * that shares the directory.
 */
export interface SignOfLife {
  end(): void
}

/** Name of the socket. There is none by this name before it listens. */
const ALIVE = 'alive'
const STARTING = 'starting'

/** Longest path of a socket: 104 bytes with the NUL on macOS, 108 on Linux. */
const MAX_PATH_BYTES = 103

/** How long to wait for the answer of a socket; one that gives none is alive. */
const ANSWER_MS = 1000

/**
 * Shows that this thread uses a directory that is its own.
 *
 * @returns undefined where that is not possible: then nobody takes the directory for abandoned
 */
export async function showLife(directory: string): Promise<SignOfLife | undefined> {
  // A named pipe of Windows lies in no directory.
  if (process.platform === 'win32') return undefined
  const place = socketPlace(directory)
  if (!place) return undefined
  try {
    const { createServer } = await import('node:net')
    // Whoever connects has learnt all there is to learn.
    const server = createServer((socket) => socket.destroy()).unref()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Exclusive: in a worker of node:cluster, the primary process would listen instead.
      server.listen({ path: join(place.path, STARTING), exclusive: true }, resolve)
    })
    server.on('error', () => {})
    const end = () => {
      server.close()
      place.close()
    }
    try {
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
 * True where the thread that showed its life in a directory has ended. Any doubt means that it is alive.
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
    // unix(7): the socket is there, and nobody listens.
    socket.on('error', (error) => answer(errno(error) === 'ECONNREFUSED'))
  })
}

/** Where the sockets of a directory are reached by a path that is short enough; undefined where by none. */
function socketPlace(directory: string): { path: string; close(): void } | undefined {
  if (Buffer.byteLength(join(directory, STARTING)) <= MAX_PATH_BYTES) return { path: directory, close: () => {} }
  if (process.platform !== 'linux') return undefined
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    return { path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) }
  } catch {
    return undefined
  }
}
