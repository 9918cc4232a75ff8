import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { parseBundle, type UnverifiedBundle } from '../../packages/core/src/bundle/bundle.ts'
import { parsePublicKey } from '../../packages/core/src/x509/public-key.ts'
import {
  authority,
  pemOf,
  revocationList,
  signingLeaf,
  type Issued,
} from '../../packages/core/src/testing/authority.ts'
import { timestamp, timestampAuthority } from '../../packages/core/src/testing/timestamp.ts'
import { ModelSealError } from '../../packages/core/src/errors.ts'
import { TestSigstore, type BundleJson } from '../../packages/core/src/testing/sigstore.ts'
import { validateChain } from '../../packages/core/src/verification/chain/chain.ts'
import { verifySigstoreBundle } from '../../packages/core/src/verification/methods/sigstore.ts'
import type { SigstoreTrust } from '../../packages/core/src/verification/sigstore/trust.ts'
import { provenTime, statedTimeTrust } from '../../packages/core/src/verification/timestamp.ts'
import { mutatedDer, signedPart } from './der-trees.ts'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { firstSeed, Random, reproducing } from './random.ts'

// Certificates, revocation lists, timestamps and keys whose structure was changed: each is quickly
// refused with a typed error, or still states what was signed.

/** Parses a changed structure. */
interface Target {
  name: string
  der: Buffer
  /** @throws if it does not accept the structure; @returns `true` if it accepted what was signed */
  accept: (der: Buffer) => Promise<boolean>
}

const SIGNATURE = Buffer.from('the bytes of a signature')
/** Far more than any case needs: a slower one is out of control. */
const LONGEST_MS = 1000

let targets: Target[]

beforeAll(async () => {
  const root = await authority('Root')
  const intermediate = await authority('Intermediate', { issuer: root, pathLength: 0, permitted: [[2, 'example.org']] })
  const leaf = await signingLeaf(intermediate, { names: [[2, 'signer.example.org']] })
  const list = await revocationList(intermediate, { revoked: [{ certificate: root }] })
  targets = [
    ...chainTargets({ root, intermediate, leaf, list }),
    await timestampTarget(),
    keyTarget(),
    await keylessTarget(),
  ]
})

interface Chain {
  root: Issued
  intermediate: Issued
  leaf: Issued
  list: Buffer
}

/** The content that the signature covers must be unchanged in an accepted certificate or list. */
function chainTargets({ root, intermediate, leaf, list }: Chain): Target[] {
  const good = { leaf: leaf.der, intermediates: [intermediate.der], roots: [root.der], crls: [list] }
  const target = (name: string, der: Buffer, inputOf: (der: Buffer) => Partial<typeof good>): Target => ({
    name,
    der,
    accept: async (changed) => {
      await validateChain({ ...good, ...inputOf(changed) })
      return signedPart(changed)?.equals(signedPart(der)!) ?? false
    },
  })
  return [
    target('a signer’s certificate', leaf.der, (der) => ({ leaf: der })),
    target('an intermediate certificate', intermediate.der, (der) => ({ intermediates: [der] })),
    target('a revocation list', list, (der) => ({ crls: [der] })),
    // The user provides trusted roots, so their content may be anything, but all errors must be typed.
    {
      ...target('a root', root.der, (der) => ({ roots: [der] })),
      accept: (der) => validateChain({ ...good, roots: [der] }).then(() => true),
    },
  ]
}

async function timestampTarget(): Promise<Target> {
  const { root, signer } = await timestampAuthority()
  const der = await timestamp(signer, SIGNATURE)
  const timeOf = (response: Buffer) =>
    provenTime(
      { timestamps: [response], envelope: { signature: SIGNATURE } } as unknown as UnverifiedBundle,
      statedTimeTrust({ timestampAuthorities: [root.der] }),
    )
  const good = await timeOf(der)
  return { name: 'a timestamp', der, accept: async (changed) => (await timeOf(changed))?.at === good?.at }
}

/** A different key must also have a different name. */
function keyTarget(): Target {
  const der = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' })
  const keyOf = (spki: Buffer) => parsePublicKey(pemOf({ der: spki }, 'PUBLIC KEY'))
  const good = keyOf(der)
  return {
    name: 'a public key',
    der,
    accept: async (changed) => {
      const { key, fingerprint } = await Promise.resolve().then(() => keyOf(changed))
      return key.equals(good.key) === (fingerprint === good.fingerprint)
    },
  }
}

async function keylessTarget(): Promise<Target> {
  const sigstore = new TestSigstore()
  const trust: SigstoreTrust = await sigstore.trust()
  const json: BundleJson = await sigstore.json({ rekor: 'v2', stampedAt: sigstore.at })
  const der = Buffer.from(json.verificationMaterial.certificate.rawBytes as string, 'base64')
  return {
    name: 'a certificate of Fulcio',
    der,
    accept: async (changed) => {
      const bundle: BundleJson = structuredClone(json)
      bundle.verificationMaterial.certificate.rawBytes = changed.toString('base64')
      await verifySigstoreBundle(parseBundle(Buffer.from(JSON.stringify(bundle))), trust, 'ours')
      return changed.equals(der)
    },
  }
}

/** The outcome and its CPU time, to which other programs add nothing. */
async function outcomeOf(target: Target, der: Buffer): Promise<{ outcome: string; ms: number }> {
  const start = process.cpuUsage()
  const outcome = await target.accept(Buffer.from(der)).then(
    (same) => (same ? 'the same' : 'ACCEPTED'),
    (error: unknown) => (error instanceof ModelSealError ? error.code : `not typed: ${String(error)}`),
  )
  const { user, system } = process.cpuUsage(start)
  return { outcome, ms: (user + system) / 1000 }
}

/** The fastest of several runs, because Node.js may compile or collect garbage in some of them. */
async function bestTime(target: Target, der: Buffer, ms: number): Promise<number> {
  let best = ms
  for (let run = 0; run < 5 && best > LONGEST_MS; run++) best = Math.min(best, (await outcomeOf(target, der)).ms)
  return best
}

test('a changed DER structure is quickly refused with a typed error, or means the same', { timeout: 0 }, async () => {
  for (const target of targets) expect(await outcomeOf(target, target.der)).toMatchObject({ outcome: 'the same' })
  const [runs, first] = [attackRuns(150), firstSeed()]
  const outcomes: Record<string, number> = {}
  for (let seed = first; seed < first + runs; seed++) {
    const random = new Random(seed)
    const target = random.pick(targets)
    const der = mutatedDer(
      random,
      target.der,
      targets.map((other) => other.der),
    )
    const { outcome, ms } = await outcomeOf(target, der)
    const what = `${target.name}: ${reproducing(seed)}`
    expect(outcome, what).not.toMatch(/^(not typed|ACCEPTED|INTERNAL)/)
    expect(await bestTime(target, der, ms), what).toBeLessThan(LONGEST_MS)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  console.log(`Changed DER from seed ${first}: ${JSON.stringify(outcomes)}`)
  // If every case failed in the first parser, the test would prove nothing about later steps.
  if (runs < 300) return
  expect(Object.keys(outcomes).length).toBeGreaterThan(4)
  expect((outcomes.CERTIFICATE_INVALID ?? 0) / runs).toBeLessThan(0.7)
})
