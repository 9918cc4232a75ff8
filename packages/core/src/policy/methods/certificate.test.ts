import { createPrivateKey, sign, webcrypto } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import type { CertificateMaterial } from '../../bundle/materials/certificate.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import { ModelSealError } from '../../errors.ts'
import { authority, revocationList, signingLeaf, type Issued } from '../../testing/authority.ts'
import { encoded, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { Effort } from '../../verification/effort.ts'
import type { Authorities } from '../roots/certificates.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { TextPattern } from '../schema/text.ts'
import { certificateMethod } from './certificate.ts'
import { methodOf } from './methods.ts'

type CertificateBundle = UnverifiedBundle & { material: CertificateMaterial }

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate, {
  names: [
    [1, 'a@b.example'],
    [6, 'https://b.example/'],
    [1, 'bad\u0007@b.example'],
  ],
})
const stranger = await authority('Stranger')
const otherLeaf = await signingLeaf(stranger)
const clock = await timestampAuthority()

const payload = encoded(statementOver({ a: 'content' }))

async function bundleBy(signer: Issued, chain: readonly Issued[] = [], path?: string): Promise<CertificateBundle> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', signer.keys.privateKey)
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), key)
  const certificates = [signer, ...chain].map(({ der }) => ({ rawBytes: der.toString('base64') }))
  const stamp = await timestamp(clock.signer, signature)
  const material = {
    x509CertificateChain: { certificates },
    timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: stamp.toString('base64') }] },
  }
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature } as const
  return parseBundle(writeBundle(material, envelope), path) as CertificateBundle
}

const bundle = await bundleBy(leaf, [intermediate])
const NONE: Authorities = { roots: [], intermediates: [] }

interface Names {
  subject?: TextPattern
  san?: TextPattern
  issuer?: TextPattern
}

const accepted = (names: Names = {}, name = 'r') => certificateMethod.compile({ certificate: { root: name, ...names } })

const ROOT: Authorities = { roots: [root.der], intermediates: [] }

interface Rooted {
  trusted?: Authorities
  revoked?: Authorities
  crls?: readonly Buffer[]
}

function policy({ trusted = ROOT, revoked = NONE, crls = [] }: Rooted = {}, timestampAuthorities: Buffer[] = []) {
  const roots = new Map<string, CompiledRoot>([
    ['r', { kind: 'certificates', name: 'r', trusted, revoked, crls } as CompiledRoot],
    ['key', { kind: 'publicKey', name: 'key', keys: [] }],
  ])
  return { roots, timestampAuthorities, revocations: new Revocations() }
}

const notTrusted = (found = 'the one that it claims') => new ModelSealError('SIGNER_NOT_TRUSTED', found)

function identify(
  given: CertificateBundle,
  entries: readonly ReturnType<typeof accepted>[],
  facts = policy(),
  signal?: AbortSignal,
) {
  return certificateMethod.identify({
    bundle: given,
    entries: entries.map((accepted, place) => ({ index: 2 * place, accepted })),
    policy: facts,
    occasion: { now: Date.now(), effort: new Effort(signal) },
    notTrusted,
  })
}

describe('a signer is accepted', () => {
  test('by every entry whose names it has', async () => {
    const entries: [Names, boolean][] = [
      [{}, true],
      [{ subject: 'CN=Signer' }, true],
      [{ subject: 'CN=Other' }, false],
      [{ subject: { pattern: '*' } }, true],
      [{ issuer: 'CN=Intermediate' }, true],
      [{ issuer: 'CN=Root' }, false],
      [{ san: 'email:a@b.example' }, true],
      [{ san: 'URI:https://b.example/' }, true],
      [{ san: 'email:c@b.example' }, false],
      [{ san: { pattern: 'unreadable:*' } }, false],
      [{ subject: 'CN=Signer', issuer: 'CN=Intermediate', san: 'email:a@b.example' }, true],
      [{ subject: 'CN=Other', issuer: 'CN=Intermediate', san: 'email:a@b.example' }, false],
      [{ subject: 'CN=Signer', issuer: 'CN=Root', san: 'email:a@b.example' }, false],
      [{ subject: 'CN=Signer', issuer: 'CN=Intermediate', san: 'email:c@b.example' }, false],
    ]
    const { signature, signers } = await identify(bundle, entries.map(([names]) => accepted(names))) // prettier-ignore
    expect(signature.signer).toMatchObject({ method: 'certificate', name: 'r', subject: 'CN=Signer' })
    expect(signers).toEqual(entries.flatMap(([, matches], place) => (matches ? [2 * place] : [])))
  })

  test('with the time of its timestamp, if the policy trusts its authority', async () => {
    const { signature } = await identify(bundle, [accepted()], policy({}, [clock.root.der]))
    expect(signature.time).toBeDefined()
    expect((await identify(bundle, [accepted()])).signature.time).toBeUndefined()
  })

  test('only with the names of an entry, and the message has those that it has', async () => {
    await expect(identify(bundle, [accepted({ subject: 'CN=Other' })])).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        message: expect.stringMatching(
          /^"CN=Signer", "email:a@b.example", "URI:https:\/\/b.example\/", "unreadable:#/,
        ) as string,
      }),
    )
    const nameless = await bundleBy(await signingLeaf(root, { subject: [], names: [[1, 'a@b.example']] }))
    await expect(identify(nameless, [accepted({ subject: 'CN=Other' })])).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', { message: '"email:a@b.example"' }),
    )
  })

  test('only under the root of the entry', async () => {
    await expect(identify(await bundleBy(otherLeaf), [accepted()])).rejects.toEqual(refusal('CHAIN_NO_PATH'))
    for (const name of ['key', 'nowhere'])
      await expect(identify(bundle, [accepted({}, name)])).rejects.toThrow(
        new RangeError(`no certificates named ${name}`),
      )
  })

  test('unless its authority has revoked it', async () => {
    const crls = [await revocationList(intermediate, { revoked: [{ certificate: leaf }] })]
    const checks = vi.spyOn(Effort.prototype, 'signatures')
    onTestFinished(() => checks.mockRestore())
    await expect(identify(bundle, [accepted()], policy({ crls }))).rejects.toEqual(refusal('CERTIFICATE_REVOKED'))
    // It is not verified a second time, which would use up what other bundles need.
    expect(checks).toHaveBeenCalledTimes(2)
  })
})

describe('an authority that the policy revokes', () => {
  const roots = [root.der]
  const intermediates = [intermediate.der]
  const byPolicy = (path?: string) =>
    refusal('CERTIFICATE_REVOKED', {
      signer: 'r',
      file: path,
      cause: expect.objectContaining({ code: 'CHAIN_NO_PATH' }) as Error,
    })

  test('refuses what depends on it', async () => {
    const short = await bundleBy(leaf, [], '/model.sig')
    for (const [revoked, trusted] of [
      [
        { roots, intermediates: [] },
        { roots: [], intermediates },
      ],
      [
        { roots: [], intermediates },
        { roots, intermediates: [] },
      ],
      [{ roots, intermediates }, NONE],
    ] as const)
      await expect(identify(short, [accepted()], policy({ revoked, trusted }))).rejects.toEqual(byPolicy(short.path))
  })

  test('does not refuse what is valid without it', async () => {
    const revoked = { roots: [stranger.der], intermediates: [] }
    expect((await identify(bundle, [accepted()], policy({ revoked }))).signers).toEqual([0])
  })

  test('is not blamed for what is not valid with it either', async () => {
    const strange = await bundleBy(otherLeaf)
    const untrusted = refusal('CHAIN_NO_PATH')
    await expect(identify(strange, [accepted()], policy({ revoked: { roots, intermediates } }))).rejects.toEqual(
      untrusted,
    )
    await expect(identify(strange, [accepted()], policy({ trusted: NONE, revoked: NONE }))).rejects.toEqual(untrusted)
  })

  test('is not looked for once the caller has aborted', async () => {
    const facts = policy({ trusted: NONE, revoked: { roots, intermediates: [] } })
    await expect(identify(bundle, [accepted()], facts, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
    // During the second attempt.
    const controller = new AbortController()
    const revoked = {
      get roots() {
        controller.abort()
        return roots
      },
      intermediates: [],
    }
    const second = identify(bundle, [accepted()], policy({ trusted: NONE, revoked }), controller.signal)
    await expect(second).rejects.toEqual(refusal('ABORTED'))
  })
})

test('a bundle carries its certificates, and a signer is known by its names', async () => {
  const { signer } = (await identify(bundle, [accepted()])).signature
  expect(certificateMethod.claimed()).toBe('the method certificate')
  expect(certificateMethod.carried(bundle.material)).toEqual({ keys: [], certificates: [leaf.der, intermediate.der] })
  expect(await certificateMethod.issuers(bundle.material, { issuer: 'CN=Root' } as never)).toEqual(['CN=Root'])
  expect(methodOf('certificate').keyOf({} as never)).toBeUndefined()
  expect(certificateMethod.proves).toEqual({ log: false, age: true })
  const signed = { ...signer, subjectAltNames: ['email:A@b.example', 'DNS:b.example.'] }
  expect(certificateMethod.names(signed)).toEqual([
    `subject ${signer.rootFingerprint} CN=Signer`,
    `certificate ${signer.fingerprint}`,
    'san a@b.example',
    'san b.example',
  ])
  expect(certificateMethod.names({ ...signed, subject: '', subjectAltNames: [] })).toEqual([
    `certificate ${signer.fingerprint}`,
  ])
  expect(certificateMethod.described(accepted({ subject: 'CN=A', issuer: 'CN=C', san: 'DNS:b' }))).toBe(
    'certificate, subject "CN=A", san "DNS:b", issuer "CN=C"',
  )
})
