import { createHash } from 'node:crypto'
import type { Manifest } from './manifest.ts'

/** A root digest is over digests alone (OMS 6.5.1): two signers must mean the same names as well. */
export function modelIdentity({ rootDigest, resources, serialization }: Manifest): string {
  const { method, hashType, shardSize, allowSymlinks } = serialization
  const hash = createHash('sha256').update(JSON.stringify([rootDigest, method, hashType, shardSize, allowSymlinks]))
  for (const { name } of resources) hash.update(`\0${name}`)
  return hash.digest('hex')
}
