import { beforeAll, expect, test } from 'vitest'
import { parseBundle } from '../../packages/core/src/bundle/bundle.ts'
import { ModelSealError } from '../../packages/core/src/errors.ts'
import { timestampSignatures } from '../../packages/core/src/testing/timestamp-signatures.ts'
import { TestSigstore, type BundleJson } from '../../packages/core/src/testing/sigstore.ts'
import { verifySigstoreBundle } from '../../packages/core/src/verification/methods/sigstore.ts'
import type { SigstoreTrust } from '../../packages/core/src/verification/sigstore/trust.ts'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { firstSeed, Random, reproducing } from './random.ts'
import { foreignBundles, spliced, validBundles } from './spliced-bundles.ts'

// Keyless bundles that are spliced from valid ones: each is refused with a typed error, or means
// the same as one of the valid ones.

let trust: SigstoreTrust
let valid: BundleJson[]
let parts: BundleJson[]
let meanings: Meaning[]

beforeAll(async () => {
  const sigstore = new TestSigstore()
  trust = await sigstore.trust()
  valid = await validBundles(sigstore)
  parts = [...valid, ...(await foreignBundles())]
  meanings = await Promise.all(valid.map(meaningOf))
})

/** What a program learns from an accepted bundle, and the evidence for it. */
interface Meaning {
  /** Who signed what. */
  statement: { signer: unknown; rootDigest: string; payload: string; signature: string }
  time: unknown
  /** Log entries and timestamps, some of which a bundle may omit or repeat. */
  proofs: readonly string[]
}

async function meaningOf(json: BundleJson): Promise<Meaning> {
  const { signer, manifest, time } = await verifySigstoreBundle(
    parseBundle(Buffer.from(JSON.stringify(json))),
    trust,
    'ours',
  )
  const { verificationMaterial: material, dsseEnvelope: envelope } = json
  return {
    statement: {
      signer,
      rootDigest: manifest.rootDigest,
      payload: envelope.payload,
      signature: envelope.signatures[0].sig,
    },
    time,
    proofs: [
      ...material.tlogEntries.map((entry: BundleJson) => `${entry.logId.keyId} ${entry.canonicalizedBody}`),
      ...timestampSignatures(json),
    ],
  }
}

/** The times of the log and the timestamp, which prove when a valid bundle was signed. */
async function timesOf(json: BundleJson): Promise<unknown[]> {
  const without = ['inclusionPromise', 'timestampVerificationData'].map(async (field) => {
    const lesser: BundleJson = structuredClone(json)
    Reflect.deleteProperty(lesser.verificationMaterial as object, field)
    for (const entry of lesser.verificationMaterial.tlogEntries) Reflect.deleteProperty(entry as object, field)
    return (await meaningOf(lesser).catch(() => undefined))?.time
  })
  return [(await meaningOf(json)).time, ...(await Promise.all(without))].filter((time) => time !== undefined)
}

/** Equal except for the order and number of proofs, and for which of several proven times is reported. */
function expectSame(found: Meaning, times: readonly unknown[][], seed: number): void {
  const index = meanings.findIndex(({ statement }) => statement.signature === found.statement.signature)
  expect(index, reproducing(seed)).toBeGreaterThanOrEqual(0)
  expect(found.statement, reproducing(seed)).toEqual(meanings[index]!.statement)
  expect(meanings[index]!.proofs, reproducing(seed)).toEqual(expect.arrayContaining([...found.proofs]))
  expect(times[index], reproducing(seed)).toContainEqual(found.time)
}

test('a bundle spliced from valid ones is refused or means the same as one of them', { timeout: 0 }, async () => {
  const times = await Promise.all(valid.map(timesOf))
  const [runs, first] = [attackRuns(75), firstSeed()]
  const outcomes: Record<string, number> = {}
  for (let seed = first; seed < first + runs; seed++) {
    const json = spliced(new Random(seed), valid, parts)
    let outcome = 'the same'
    let found: Meaning | undefined
    try {
      found = await meaningOf(json)
    } catch (error) {
      expect(error, reproducing(seed)).toBeInstanceOf(ModelSealError)
      outcome = (error as ModelSealError).code
    }
    if (found) expectSame(found, times, seed)
    expect(outcome, reproducing(seed)).not.toBe('INTERNAL')
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  console.log(`Spliced bundles from seed ${first}: ${JSON.stringify(outcomes)}`)
  // If every case failed at the first check, the test would prove nothing about the others.
  if (runs < 100) return
  const reached = ['BUNDLE_MALFORMED', 'LOG_INCLUSION_INVALID', 'LOG_ENTRY_MISMATCH', 'TIMESTAMP_INVALID']
  expect(Object.keys(outcomes)).toEqual(expect.arrayContaining(reached))
  expect((outcomes['the same'] ?? 0) / runs).toBeLessThan(0.5)
})
