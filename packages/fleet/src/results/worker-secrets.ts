import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkPrivateFile, makeCacheFolder } from '@modelseal/core/journal'
import { writeFileWhole } from '@modelseal/core/publishing'
import { WORKER_NAME } from './result.ts'

/** The name under which this process works for itself. */
export const OWN_NAME = 'this-process'
const SECRET = /^[A-Za-z0-9_-]{43}$/
/** Ten thousand workers. */
const MAX_FILE = 2 * 1024 * 1024

/** A worker and its secret. */
export interface WorkerKey {
  readonly name: string
  readonly secret: Buffer
}

/** The secrets that the coordinator knows, by the names of their workers. */
export class WorkerSecrets {
  readonly #secrets: ReadonlyMap<string, Buffer>

  constructor(keys: readonly WorkerKey[]) {
    this.#secrets = new Map(keys.map(({ name, secret }) => [name, secret]))
  }

  of(worker: string): Buffer | undefined {
    return this.#secrets.get(worker)
  }
}

/**
 * Reads the secrets of workers: a name and a secret on each line, in a file that only this user can read.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, and what reading the file throws
 */
export async function readWorkerKeys(file: string): Promise<WorkerKey[]> {
  const keys = await keysIn(file, 'file of the secrets of workers')
  const names = new Set(keys.map(({ name }) => name))
  const secrets = new Set(keys.map(({ secret }) => secret.toString('hex')))
  // Two workers with one secret would be one worker to an audit.
  const isEachOnce = names.size === keys.length && secrets.size === keys.length
  if (keys.length > 0 && isEachOnce && !names.has(OWN_NAME)) return keys
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot use the secrets of workers in ${shown(file)}.`, {
    file,
    expected: 'each worker once, with a secret of its own',
    found: keys.length === 0 ? 'none' : isEachOnce ? `a worker called ${OWN_NAME}` : 'a name or a secret twice',
  })
}

/**
 * Reads the only line of a worker's own file, as {@link newWorkerKey} writes it.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, and what reading the file throws
 */
export async function readWorkerKey(file: string): Promise<WorkerKey> {
  const [key, ...others] = await keysIn(file, 'file of the secret')
  if (key && others.length === 0) return key
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot use the secret of a worker in ${shown(file)}.`, {
    file,
    expected: 'one line, with the name and the secret of this worker',
    found: key ? `${others.length + 1} lines` : 'none',
  })
}

/**
 * A new secret for a worker.
 *
 * @returns the line for both files: that of the worker, and that of all workers
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` (not a name)
 */
export function newWorkerKey(name: string): string {
  if (WORKER_NAME.test(name) && name !== OWN_NAME) return `${name} ${randomBytes(32).toString('base64url')}\n`
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot use the name ${shown(name)} for a worker.`, {
    expected: `up to 64 letters, digits, ".", "_" and "-", and not "${OWN_NAME}"`,
  })
}

/**
 * The secret with which this process authenticates what it computes itself. It is in the user's cache directory, so that the next run
 * believes what this one has stored.
 *
 * @throws {@link ModelSealError} `CACHE_UNSAFE`, `FILE_WRITE_FAILED`, `INVALID_ARGUMENT`, `FILE_UNREADABLE`
 */
export async function ownKey(): Promise<WorkerKey> {
  const file = join(await makeCacheFolder('fleet'), 'secret')
  if (!existsSync(file)) {
    const line = `${OWN_NAME} ${randomBytes(32).toString('base64url')}\n`
    await writeFileWhole(file, Buffer.from(line), {
      what: 'secret',
      failed: 'FILE_WRITE_FAILED',
      mode: 0o600,
      // Of two processes, the first one decides.
      mayReplace: () => Promise.resolve(!existsSync(file)),
    })
  }
  return readWorkerKey(file)
}

async function keysIn(file: string, what: string): Promise<WorkerKey[]> {
  checkPrivateFile(file, what)
  const text = String(await readSmallFile(file, { what, maxBytes: MAX_FILE }))
  return text.split('\n').flatMap((line, index) => {
    const trimmed = line.trim()
    return trimmed === '' || trimmed.startsWith('#') ? [] : [keyOf(trimmed, file, index + 1)]
  })
}

function keyOf(text: string, file: string, line: number): WorkerKey {
  const [name = '', secret = '', ...more] = text.split(/\s+/)
  if (WORKER_NAME.test(name) && SECRET.test(secret) && more.length === 0)
    return { name, secret: Buffer.from(secret, 'base64url') }
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot use line ${line} of ${shown(file)}.`, {
    file,
    line,
    expected: 'the name of a worker and its secret, as "modelseal fleet worker-key" prints them',
  })
}
