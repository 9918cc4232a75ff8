import { generateKeyPairSync } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { FileElsewhere } from '@modelseal/core/distributed'
import { keySigner, type Signer } from '@modelseal/core/signing'
import { scratch } from '../../../core/src/testing/scratch.ts'
import { newWorkerKey } from '../results/worker-secrets.ts'
import type { WorkerKey } from '../results/worker-secrets.ts'

/** A directory of models, each with the same files but for its name. */
export function models(...names: string[]): string {
  const files = names.flatMap((name) => [
    [`${name}/config.json`, `{"name":"${name}"}`],
    [`${name}/weights.bin`, `weights of ${name}`],
  ])
  return scratch(Object.fromEntries(files) as Record<string, string>)
}

/** A signer, and the path of its public key. */
export async function signerAndKey(): Promise<{ signer: Signer; publicKey: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys = scratch({
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'key.pub': publicKey.export({ type: 'spki', format: 'pem' }),
  })
  return { signer: await keySigner({ privateKey: join(keys, 'key') }), publicKey: join(keys, 'key.pub') }
}

export function workerKey(name: string): WorkerKey {
  const [, secret = ''] = newWorkerKey(name).trim().split(' ')
  return { name, secret: Buffer.from(secret, 'base64url') }
}

/** A file on disk whose digest is wanted as a whole. */
export function fileOnDisk(path: string): FileElsewhere {
  const { size, mtimeNs, ctimeNs, ino } = lstatSync(path, { bigint: true })
  return {
    place: { path },
    size: Number(size),
    version: `${size}-${mtimeNs}-${ctimeNs}-${ino}`,
    wanted: [{ hashType: 'sha256', start: 0, end: Number(size) }],
  }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
