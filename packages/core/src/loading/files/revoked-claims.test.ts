import { describe, expect, test } from 'vitest'
import { parseBundle } from '../../bundle/bundle.ts'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import { concernsClaims, refuseRevokedClaims } from './revoked-claims.ts'

const pair = keyPair()
const bundle = parseBundle(bundleOver(encoded(statementOver({ a: 'a' })), pair))

function revoking(content: object): Revocations {
  const revocations = new Revocations()
  revocations.add(content)
  return revocations
}
const KEY = revoking({ keys: [pair.publicKey.fingerprint] })
const OTHER_KEY = revoking({ keys: ['0'.repeat(64)] })
const MODEL = revoking({ rootDigests: ['0'.repeat(64)] })
const FILE = revoking({ fileDigests: ['0'.repeat(64)] })

const found = (bundles: object[], unread?: string) =>
  ({ files: {}, entry: undefined, bundles, unread }) as unknown as FoundModel
const signed = { path: 'm.sig', bundle }
const broken = (code: ErrorCode) => ({ path: 'm.sig', error: new ModelSealError(code, 'No.') })

test('only revoked signers and models concern claims', () => {
  expect([KEY, MODEL, FILE, new Revocations()].map(concernsClaims)).toEqual([true, true, false, false])
})

describe('an unverified bundle', () => {
  test('may not claim something revoked', async () => {
    await expect(refuseRevokedClaims(found([signed]), KEY, undefined)).rejects.toEqual(refusal('KEY_REVOKED'))
    await refuseRevokedClaims(found([signed]), OTHER_KEY, undefined)
    await refuseRevokedClaims(undefined, KEY, undefined)
  })

  test('that cannot be read claims nothing, but later ones do', async () => {
    await refuseRevokedClaims(found([broken('JSON_INVALID')]), KEY, undefined)
    await expect(refuseRevokedClaims(found([broken('JSON_INVALID'), signed]), KEY, undefined)).rejects.toEqual(
      refusal('KEY_REVOKED'),
    )
  })

  test.each(['BUNDLE_TOO_LARGE', 'JSON_TOO_COMPLEX'] as const)(
    'that was not looked at may claim it: %s',
    async (code) => {
      await expect(refuseRevokedClaims(found([broken(code)]), OTHER_KEY, undefined)).rejects.toEqual(refusal(code))
      await expect(refuseRevokedClaims(found([broken(code)]), MODEL, undefined)).rejects.toEqual(refusal(code))
      await refuseRevokedClaims(found([broken(code)]), FILE, undefined)
    },
  )

  test('that is one too many may claim it', async () => {
    const many = found([signed], 'last.sig')
    await expect(refuseRevokedClaims(many, OTHER_KEY, undefined)).rejects.toEqual(
      refusal('BUNDLES_TOO_MANY', { file: 'last.sig' }),
    )
    await refuseRevokedClaims(many, FILE, undefined)
  })

  test('is not looked at after an abort', async () => {
    const aborted = AbortSignal.abort()
    for (const one of [signed, broken('BUNDLE_TOO_LARGE')])
      await expect(refuseRevokedClaims(found([one]), KEY, aborted)).rejects.toEqual(refusal('ABORTED'))
  })
})
