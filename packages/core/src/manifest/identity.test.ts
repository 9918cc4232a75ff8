import { expect, test } from 'vitest'
import { sha256 } from '../testing/bundles.ts'
import { modelIdentity } from './identity.ts'
import { Manifest } from './manifest.ts'
import type { Serialization } from './serialization.ts'

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }

function identityOf(names: readonly string[], serialization = WHOLE): string {
  const resources = names.map((name) => ({ name, digest: sha256('') }))
  return modelIdentity(new Manifest('m', serialization, resources))
}

test('covers the names, which the root digest does not', () => {
  expect(identityOf(['a', 'b'])).toMatch(/^[0-9a-f]{64}$/)
  expect(identityOf(['a', 'b'])).toBe(identityOf(['a', 'b']))
  expect(identityOf(['a', 'b'])).not.toBe(identityOf(['a', 'c']))
  expect(identityOf(['a', 'bc'])).not.toBe(identityOf(['ab', 'c']))
})

test('covers how the model was hashed', () => {
  const shards = (shardSize: number) => ({ ...WHOLE, method: 'shards', shardSize }) as const
  const identities = [
    identityOf(['a:0:1']),
    identityOf(['a:0:1'], { ...WHOLE, allowSymlinks: true }),
    identityOf(['a:0:1'], shards(1)),
    identityOf(['a:0:1'], shards(2)),
    identityOf(['a:0:1'], { ...WHOLE, hashType: 'blake3' }),
  ]
  expect(new Set(identities).size).toBe(identities.length)
})

test('does not cover the name of the model', () => {
  const resources = [{ name: 'a', digest: sha256('') }]
  expect(modelIdentity(new Manifest('other', WHOLE, resources))).toBe(identityOf(['a']))
})

test('covers every one of many names', () => {
  const names = Array.from({ length: 2_049 }, (_, i) => String(i).padStart(4, '0'))
  const identity = identityOf(names)
  for (const place of [0, 1_023, 1_024, 2_048])
    expect(identityOf(names.with(place, `${names[place]}x`))).not.toBe(identity)
  const serialization = [sha256(Buffer.from(sha256('').repeat(names.length), 'hex')), 'files', 'sha256', null, false]
  expect(identity).toBe(sha256(JSON.stringify(serialization) + names.map((name) => `\0${name}`).join('')))
})
