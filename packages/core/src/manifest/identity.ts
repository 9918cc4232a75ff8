import { createHash } from 'node:crypto'
import type { Manifest } from './manifest.ts'

/** Identifies names and digests together. A root digest covers digests only (OMS 6.5.1), but two signers must also agree on the names. */
export function modelIdentity({ rootDigest, resources, serialization }: Manifest): string {
  const { method, hashType, shardSize, allowSymlinks } = serialization
  const hash = createHash('sha256').update(JSON.stringify([rootDigest, method, hashType, shardSize, allowSymlinks]))
  for (const { name } of resources) hash.update(`\0${name}`)
  return hash.digest('hex')
}
