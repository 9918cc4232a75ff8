import { describe, expect, test, vi } from 'vitest'
import { parseBundle } from '../../bundle/bundle.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import type { Judging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import { unrevokedClaims } from './unrevoked-claims.ts'

const pair = keyPair()
const bundle = parseBundle(bundleOver(encoded(statementOver({ a: 'a' })), pair))
const FOUND = { bundles: [{ path: 'm.sig', bundle }] }

interface Judged {
  found?: object | undefined
  revocations?: Revocations
  mayBeUnsigned?: (name: string) => boolean
}

const judging = ({ found, revocations = new Revocations(), mayBeUnsigned }: Judged): Judging =>
  ({ findIfAny: () => Promise.resolve(found), revocations, mayBeUnsigned }) as unknown as Judging

/** A load, and on behalf of which policies its steps are taken. */
function load(signal?: AbortSignal) {
  const of = vi.fn((_: readonly Judging[], step: () => Promise<unknown>) => step())
  return { of, load: { options: { signal }, responsibility: { of } } as unknown as Load }
}

function revoking(content: object): Revocations {
  const revocations = new Revocations()
  revocations.add(content)
  return revocations
}

describe('the claims of a model that several policies load unverified', () => {
  test('may not be revoked by any of them, on behalf of which it is refused', async () => {
    const innocent = judging({ found: FOUND })
    const revoked = judging({ found: FOUND, revocations: revoking({ keys: [pair.publicKey.fingerprint] }) })
    const { of, load: loading } = load()
    await expect(unrevokedClaims([innocent, revoked], loading)).rejects.toEqual(refusal('KEY_REVOKED'))
    expect(of.mock.calls.map(([judgings]) => judgings)).toEqual([[innocent], [revoked]])
  })

  test('are those of the bundles that the first of them finds', async () => {
    const other = { bundles: [] }
    const revocations = [new Revocations(), new Revocations(), new Revocations()]
    const judgings = [undefined, FOUND, other].map((found, index) =>
      judging({ found, revocations: revocations[index]! }),
    )
    const claims = await unrevokedClaims(judgings, load().load)
    expect(claims.found).toBe(FOUND)
    expect(claims.revocations).toEqual(revocations)
    expect(claims.mayBeUnsigned).toBeUndefined()
    expect(await unrevokedClaims([], load().load)).toEqual({
      found: undefined,
      revocations: [],
      mayBeUnsigned: undefined,
    })
  })

  test('are not looked at after an abort', async () => {
    const revocations = revoking({ keys: ['0'.repeat(64)] })
    const aborted = load(AbortSignal.abort()).load
    await expect(unrevokedClaims([judging({ found: FOUND, revocations })], aborted)).rejects.toEqual(refusal('ABORTED'))
  })
})

test('a path may be unsigned if any of the policies allows it', async () => {
  const judgings = [
    judging({}),
    judging({ mayBeUnsigned: (name) => name === 'a' }),
    judging({ mayBeUnsigned: (name) => name === 'b' }),
  ]
  const { mayBeUnsigned } = await unrevokedClaims(judgings, load().load)
  expect(['a', 'b', 'c'].map((name) => mayBeUnsigned?.(name))).toEqual([true, true, false])
})
