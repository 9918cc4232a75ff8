import { TrustedRoot } from '@sigstore/protobuf-specs'
import { toTrustMaterial, type SignedEntity } from '@sigstore/verify'
import { beforeAll, describe, expect, test } from 'vitest'
import { authority, inDays, issue, signingLeaf, TIME_STAMPING, type Issued } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import { checkAuthorities, issuersOf, materialAt } from './authority.ts'
import type { SigstoreTrust } from './trust.ts'

const PATH = 'model.sig'
const start = inDays(-9).toISOString()

interface Stated {
  chain: Issued[]
  validFor?: object
}

function trusting(issuing: Stated[], stamping: Stated[] = []): SigstoreTrust {
  const stated = ({ chain, validFor = { start } }: Stated) => ({
    certChain: { certificates: chain.map(({ der }) => ({ rawBytes: der.toString('base64') })) },
    validFor,
  })
  const certificateAuthorities = issuing.map(stated)
  const root = TrustedRoot.fromJSON({ certificateAuthorities, timestampAuthorities: stamping.map(stated) })
  return { root, material: toTrustMaterial(root) } as SigstoreTrust
}

type Stamp = SignedEntity['timestamps'][number]

/** A timestamp by the first authority for timestamps. */
function stampAt(signingTime: Date, { material }: SigstoreTrust): Stamp {
  const [by] = material.timestampAuthorities[0]?.certChain ?? []
  const timestamp = { signingTime, signerIssuer: by?.issuer, signerSerialNumber: by?.serialNumber }
  return { $case: 'timestamp-authority', timestamp } as unknown as Stamp
}

async function checked(
  leaf: Issued,
  trust: SigstoreTrust,
  more: { timestamps?: Stamp[]; times?: Date[]; effort?: Effort } = {},
) {
  const certificate = await parseCertificate(leaf.der)
  const { timestamps = [], times = [new Date()], effort = new Effort() } = more
  const issuers = issuersOf(certificate.x509, trust)
  await checkAuthorities(certificate, { issuers, timestamps, times, trust, effort, file: PATH })
}

let root: Issued
let middle: Issued
let leaf: Issued
beforeAll(async () => {
  root = await authority('Root', { notBefore: inDays(-9) })
  middle = await authority('Middle', { issuer: root, notBefore: inDays(-9) })
  leaf = await signingLeaf(middle, { notBefore: inDays(-9) })
})

describe('the authority of a signer', () => {
  test('must have a valid chain', async () => {
    await checked(leaf, trusting([{ chain: [middle, root] }]))
    await expect(checked(leaf, trusting([{ chain: [middle] }]))).rejects.toThrow(refusal('CHAIN_NO_PATH'))
  })

  test('must be valid at the earliest of the times', async () => {
    const times = [inDays(-1), inDays(-3), inDays(-2)]
    const [, earliest = new Date()] = times
    const within = (from: Date, to: Date) =>
      trusting([{ chain: [middle, root], validFor: { start: from.toISOString(), end: to.toISOString() } }])
    await checked(leaf, within(earliest, earliest), { times })
    for (const trust of [within(inDays(-2), inDays(9)), within(inDays(-9), inDays(-4))])
      await expect(checked(leaf, trust, { times })).rejects.toThrow(
        refusal('CHAIN_NO_PATH', { message: expect.stringContaining('was valid at that time') }),
      )
    const young = await signingLeaf(middle, { notBefore: inDays(-2) })
    await expect(checked(young, trusting([{ chain: [middle, root] }]), { times })).rejects.toThrow(
      refusal('CERTIFICATE_NOT_YET_VALID', { found: earliest.toISOString() }),
    )
  })

  test('may be any of several, and is refused as the first is', async () => {
    const expired = await authority('Root', { keys: root.keys, notAfter: inDays(-1), notBefore: inDays(-9) })
    const [bad, good] = [{ chain: [middle, expired] }, { chain: [middle, root] }]
    await checked(leaf, trusting([bad, good]))
    await checked(leaf, trusting([good, bad]))
    const without = { chain: [middle] }
    await expect(checked(leaf, trusting([bad, without]))).rejects.toThrow(refusal('CERTIFICATE_EXPIRED'))
    await expect(checked(leaf, trusting([without, bad]))).rejects.toThrow(refusal('CHAIN_NO_PATH'))
  })

  test('is not looked for once the caller has aborted', async () => {
    const effort = new Effort(AbortSignal.abort())
    await expect(checked(leaf, trusting([{ chain: [middle, root] }]), { effort })).rejects.toThrow(refusal('ABORTED'))
  })

  test('is not looked for once the caller aborts after the first was refused', async () => {
    const expired = await authority('Root', { keys: root.keys, notAfter: inDays(-1), notBefore: inDays(-9) })
    const controller = new AbortController()
    let turns = 0
    let most = Infinity
    class Aborting extends Effort {
      override turn(): Promise<void> {
        if (turns++ >= most) controller.abort()
        return super.turn()
      }
    }
    const effort = new Aborting(controller.signal)
    const bad = { chain: [middle, expired] }
    await expect(checked(leaf, trusting([bad]), { effort })).rejects.toThrow(refusal('CERTIFICATE_EXPIRED'))
    most = 2 * turns
    await expect(checked(leaf, trusting([bad, { chain: [middle, root] }]), { effort })).rejects.toThrow(
      refusal('ABORTED'),
    )
  })
})

describe('the authority of a timestamp', () => {
  let stamper: Issued
  let trust: SigstoreTrust
  const extended = { extendedUsages: [TIME_STAMPING], extendedCritical: true }
  beforeAll(async () => {
    stamper = await issue({ subject: 'TSA', issuer: root, notBefore: inDays(-5), ...extended })
    trust = trusting([{ chain: [middle, root] }], [{ chain: [stamper, root] }])
  })

  test('must have a valid chain at the time of the timestamp', async () => {
    const log = { $case: 'transparency-log' } as unknown as Stamp
    await checked(leaf, trust, { timestamps: [log, stampAt(inDays(-4), trust)] })
    await expect(checked(leaf, trust, { timestamps: [stampAt(inDays(-6), trust)] })).rejects.toThrow(
      refusal('TIMESTAMP_UNTRUSTED', { file: PATH, found: expect.stringContaining('"CN=TSA" is not yet valid') }),
    )
    const two = [stampAt(inDays(-4), trust), stampAt(inDays(-6), trust)]
    await expect(checked(leaf, trust, { timestamps: two })).rejects.toThrow(refusal('TIMESTAMP_UNTRUSTED'))
  })

  test('must be valid at that time by the trusted root, too', async () => {
    const from = inDays(-3)
    const validFor = { start: from.toISOString() }
    const later = trusting([{ chain: [middle, root] }], [{ chain: [stamper, root], validFor }])
    await checked(leaf, later, { timestamps: [stampAt(from, later)] })
    await expect(checked(leaf, later, { timestamps: [stampAt(inDays(-4), trust)] })).rejects.toThrow(
      refusal('TIMESTAMP_UNTRUSTED', { found: expect.stringContaining('was valid at that time') }),
    )
  })

  test('must be for timestamps', async () => {
    const wrong = await issue({
      subject: 'TSA',
      issuer: root,
      usages: ['digitalSignature'],
      extendedUsages: ['1.3.6.1.5.5.7.3.3'],
    })
    const misused = trusting([{ chain: [middle, root] }], [{ chain: [wrong, root] }])
    await expect(checked(leaf, misused, { timestamps: [stampAt(new Date(), misused)] })).rejects.toThrow(
      refusal('TIMESTAMP_UNTRUSTED', { file: PATH }),
    )
  })

  test('is not looked for once the caller aborts', async () => {
    const controller = new AbortController()
    const aborting = {
      get $case() {
        controller.abort()
        return 'transparency-log'
      },
    } as unknown as Stamp
    const fresh = trusting([{ chain: [middle, root] }], [{ chain: [stamper, root] }])
    const effort = new Effort(controller.signal)
    await expect(checked(leaf, fresh, { timestamps: [aborting, stampAt(inDays(-4), fresh)], effort })).rejects.toThrow(
      refusal('ABORTED'),
    )
  })
})

test('the material for a bundle has an authority of which one certificate may have issued that of the signer', () => {
  const { certificateAuthorities } = materialAt(trusting([{ chain: [middle, root] }]), [], leaf.x509)
  expect(certificateAuthorities).toHaveLength(1)
})

test('the material for a bundle is what was valid at all its times, and may have issued its certificate', async () => {
  const sigstore = new TestSigstore()
  const [trust, theirs] = [await sigstore.trust(), await new TestSigstore().trust()]
  const [ours] = trust.root.certificateAuthorities
  const [other] = theirs.root.certificateAuthorities
  if (!ours || !other) throw new Error('no authorities')
  const root = { ...trust.root, certificateAuthorities: [other, ours] }
  const [first] = trust.material.certificateAuthorities
  const [second] = theirs.material.certificateAuthorities
  const material = { ...trust.material, certificateAuthorities: [second, first] } as SigstoreTrust['material']
  const { verificationMaterial } = await sigstore.json()
  const { x509 } = await parseCertificate(Buffer.from(verificationMaterial.certificate.rawBytes, 'base64'))
  const at = (...times: string[]) =>
    materialAt(
      { ...trust, root, material },
      times.map((time) => new Date(time)),
      x509,
    )
  const kept = ({ tlogs, ctlogs, certificateAuthorities, timestampAuthorities }: ReturnType<typeof at>) => ({
    logs: [tlogs.length, ctlogs.length],
    issuers: certificateAuthorities.map((one) => material.certificateAuthorities.indexOf(one)),
    stampers: timestampAuthorities === material.timestampAuthorities,
  })
  expect(kept(at('2024-01-01', '2020-01-01'))).toEqual({ logs: [1, 1], issuers: [1], stampers: true })
  expect(kept(at('2024-01-01', '2019-01-01'))).toEqual({ logs: [0, 0], issuers: [1], stampers: true })
  const strange = await signingLeaf(await authority('Strange'))
  expect(kept(materialAt({ ...trust, root, material }, [], strange.x509)).issuers).toEqual([])
})
