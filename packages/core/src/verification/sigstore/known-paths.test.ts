import { TrustedRoot, type CertificateAuthority } from '@sigstore/protobuf-specs'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { expect, test } from 'vitest'
import {
  authority,
  CODE_SIGNING,
  extension,
  inDays,
  issue,
  SERVER_AUTH,
  signingLeaf,
  TIME_STAMPING,
  type Issued,
} from '../../testing/authority.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import { readAuthority } from './known-paths.ts'

const usages = [CODE_SIGNING]

function statedAuthority(...chain: Issued[]): CertificateAuthority {
  const certChain = { certificates: chain.map(({ der }) => ({ rawBytes: der.toString('base64') })) }
  const [stated] = TrustedRoot.fromJSON({ certificateAuthorities: [{ certChain }] }).certificateAuthorities
  if (!stated) throw new Error('no authority')
  return stated
}

/** The code of the refusal, or `valid`, and the number of signature checks. */
async function outcome(check: (effort: Effort) => Promise<void>, mostChecks = 512): Promise<unknown> {
  try {
    await check(new Effort(undefined, mostChecks))
    return 'valid'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

async function signer(stated: CertificateAuthority, leaf: Issued, at = new Date(), mostChecks?: number) {
  const certificate = await parseCertificate(leaf.der)
  const known = readAuthority(stated)
  const signedBy = known.issuersOf(certificate.x509)
  return outcome((effort) => known.validateSigner(certificate, signedBy, at, effort), mostChecks)
}

function stamper(stated: CertificateAuthority, at = new Date(), mostChecks?: number) {
  return outcome((effort) => readAuthority(stated).validateStamper(at, effort), mostChecks)
}

/** A root, and an intermediate that expires in five days, before the leaves. */
async function knownAuthority(options: Parameters<typeof authority>[1] = {}) {
  const root = await authority('Root')
  const intermediate = await authority('Intermediate', { issuer: root, notAfter: inDays(5), ...options })
  const stated = statedAuthority(intermediate, root)
  expect(await signer(stated, await signingLeaf(intermediate, { extendedUsages: usages }))).toBe('valid')
  return { root, intermediate, stated }
}

test('the signatures among the certificates of an authority are checked once', async () => {
  const { intermediate, stated } = await knownAuthority()
  const leaf = await signingLeaf(intermediate, { extendedUsages: usages })
  expect(await signer(stated, leaf, new Date(), 0)).toBe('valid')
  // A trusted root that was read again has the same certificates.
  expect(await signer(structuredClone(stated), leaf, new Date(), 0)).toBe('valid')
  // Without the cache, that is not enough.
  const root = await authority('Root')
  const unknown = await authority('Intermediate', { issuer: root })
  const theirs = await signingLeaf(unknown, { extendedUsages: usages })
  expect(await signer(statedAuthority(unknown, root), theirs, new Date(), 0)).toBe('CHAIN_TOO_LARGE')
})

test('an authority without certificates has none', () => {
  const stated = { ...statedAuthority(), certChain: undefined }
  expect(readAuthority(stated).certificates).toEqual([])
})

test('the issuer of a certificate is the one that it names, and whose key signed it', async () => {
  const root = await authority('Root')
  const known = readAuthority(statedAuthority(root))
  const leafOf = async (issuer: Issued) => (await signingLeaf(issuer, { keyIds: false })).x509
  expect(known.issuersOf(await leafOf(root))).toHaveLength(1)
  for (const other of [await authority('Root'), await authority('Other', { keys: root.keys })])
    expect(known.issuersOf(await leafOf(other))).toEqual([])
})

test('a root of an authority needs no path', async () => {
  const root = await authority('Root')
  expect(await signer(statedAuthority(root), root)).toBe('valid')
})

test('only a few authorities are cached', async () => {
  const { intermediate, stated } = await knownAuthority()
  const leaf = await signingLeaf(intermediate, { extendedUsages: usages })
  for (let other = 0; other < 16; other++) readAuthority(statedAuthority(await authority(`Root ${other}`)))
  // That of a trusted root that is still in use is.
  expect(await signer(stated, leaf, new Date(), 0)).toBe('valid')
  expect(await signer(structuredClone(stated), leaf, new Date(), 0)).toBe('CHAIN_TOO_LARGE')
})

test('a known authority with policy extensions is validated again for each leaf', async () => {
  const extensions = [
    extension('2.5.29.36', true, new pkijs.PolicyConstraints({ requireExplicitPolicy: 0 }).toSchema()),
    policies(),
  ]
  const root = await authority('Root')
  const intermediate = await authority('Intermediate', { issuer: root, extensions })
  const stated = statedAuthority(intermediate, root)
  const leaf = (more: readonly pkijs.Extension[]) =>
    signingLeaf(intermediate, { extendedUsages: usages, extensions: more })
  expect(await signer(stated, await leaf([policies()]))).toBe('valid')
  expect(await signer(stated, await leaf([]))).toBe('CHAIN_INVALID')
})

test.each([
  ['name constraints', '2.5.29.30', new pkijs.NameConstraints({ excludedSubtrees: [excluded('bad.example')] })],
  ['policy mappings', '2.5.29.33', new pkijs.PolicyMappings({ mappings: [mapping()] })],
  ['policy constraints', '2.5.29.36', new pkijs.PolicyConstraints({ inhibitPolicyMapping: 1 })],
  ['inhibit anyPolicy', '2.5.29.54', { toSchema: () => new asn1js.Integer({ value: 1 }) }],
])('a known path with %s is checked again for each leaf', async (_, id, content) => {
  const root = await authority('Root')
  const extensions = [extension(id, false, content.toSchema()), policies()]
  const intermediate = await authority('Intermediate', { issuer: root, extensions })
  const leaf = await signingLeaf(intermediate, { extendedUsages: usages, extensions: [policies()] })
  const stated = statedAuthority(intermediate, root)
  expect(await signer(stated, leaf)).toBe('valid')
  expect(await signer(stated, leaf, new Date(), 0)).toBe('CHAIN_TOO_LARGE')
})

function excluded(value: string): pkijs.GeneralSubtree {
  return new pkijs.GeneralSubtree({ base: new pkijs.GeneralName({ type: 2, value }) })
}

function mapping(): pkijs.PolicyMapping {
  return new pkijs.PolicyMapping({
    issuerDomainPolicy: '1.3.6.1.4.1.99999.1',
    subjectDomainPolicy: '1.3.6.1.4.1.99999.2',
  })
}

function policies(): pkijs.Extension {
  const certificatePolicies = [new pkijs.PolicyInformation({ policyIdentifier: '1.3.6.1.4.1.99999.1' })]
  return extension('2.5.29.32', false, new pkijs.CertificatePolicies({ certificatePolicies }).toSchema())
}

test('a known path is refused at a time at which an authority or the leaf was not valid', async () => {
  const { root, intermediate, stated } = await knownAuthority()
  const leaf = await signingLeaf(intermediate, { extendedUsages: usages, notBefore: inDays(-9) })
  expect(await signer(stated, leaf, inDays(6))).toBe('CERTIFICATE_EXPIRED')
  expect(await signer(stated, leaf, inDays(-2))).toBe('CERTIFICATE_NOT_YET_VALID')
  expect(await signer(stated, leaf)).toBe('valid')
  const short = await signingLeaf(intermediate, { extendedUsages: usages, notAfter: inDays(1) })
  expect(await signer(stated, short, inDays(2))).toBe('CERTIFICATE_EXPIRED')

  const stamping = await issue({ subject: 'TSA', issuer: root, extendedUsages: [TIME_STAMPING], notAfter: inDays(3) })
  const timestamps = statedAuthority(stamping, root)
  expect(await stamper(timestamps)).toBe('valid')
  expect(await stamper(timestamps, new Date(), 0)).toBe('valid')
  expect(await stamper(timestamps, inDays(4))).toBe('CERTIFICATE_EXPIRED')
  expect(await stamper(timestamps, inDays(-2))).toBe('CERTIFICATE_NOT_YET_VALID')
})

test('a leaf signed by another authority with the same name is refused', async () => {
  const { stated, root } = await knownAuthority()
  const forger = await authority('Intermediate', { issuer: { ...root, keys: (await authority('Root')).keys } })
  expect(await signer(stated, await signingLeaf(forger, { extendedUsages: usages }))).toBe('CHAIN_NO_PATH')
})

test('an invalid leaf under a known path is refused', async () => {
  const { intermediate, stated } = await knownAuthority()
  const refusals = [
    [{ extendedUsages: [SERVER_AUTH] }, 'CERTIFICATE_USAGE'],
    [{ hash: 'SHA-1' }, 'CERTIFICATE_WEAK'],
    [{ subject: 'Intermediate', keys: intermediate.keys }, 'CHAIN_NO_PATH'],
  ] as const
  for (const [options, code] of refusals)
    expect(await signer(stated, await signingLeaf(intermediate, options))).toBe(code)
})

test.each(['permitted', 'excluded'] as const)(
  'a name that violates the %s names of a known authority is refused',
  async (list) => {
    const root = await authority('Root')
    const intermediate = await authority('Intermediate', {
      issuer: root,
      [list]: [[1, list === 'permitted' ? 'good.example' : 'bad.example']],
    })
    const stated = statedAuthority(intermediate, root)
    const named = (name: string) => signingLeaf(intermediate, { extendedUsages: usages, names: [[1, name]] })
    expect(await signer(stated, await named('a@good.example'))).toBe('valid')
    expect(await signer(stated, await named('a@bad.example'))).toBe('CHAIN_NAME_CONSTRAINT')
  },
)

test('a path that is known for one usage is not used for another', async () => {
  const root = await authority('Root', { extendedUsages: [TIME_STAMPING] })
  const stamping = await issue({ subject: 'TSA', issuer: root, extendedUsages: [TIME_STAMPING] })
  const stated = statedAuthority(stamping, root)
  expect(await stamper(stated)).toBe('valid')
  expect(await signer(stated, await signingLeaf(root))).toBe('CERTIFICATE_USAGE')

  const { stated: signing, intermediate } = await knownAuthority({ extendedUsages: usages })
  expect(await stamper(signing)).toBe('CERTIFICATE_USAGE')
  expect(await signer(signing, await signingLeaf(intermediate))).toBe('valid')
})

test('replaced certificates of an authority are read again', async () => {
  const { intermediate, stated } = await knownAuthority()
  const leaf = await signingLeaf(intermediate, { extendedUsages: usages })
  const other = await authority('Root')
  stated.certChain = statedAuthority(await authority('Intermediate', { issuer: other }), other).certChain
  expect(await signer(stated, leaf)).toBe('CHAIN_NO_PATH')
})

test('a refusal is not cached', async () => {
  const root = await authority('Root')
  const stamping = await issue({ subject: 'TSA', issuer: root, extendedUsages: [TIME_STAMPING], notAfter: inDays(3) })
  const stated = statedAuthority(stamping, root)
  expect(await stamper(stated, inDays(4))).toBe('CERTIFICATE_EXPIRED')
  expect(await stamper(stated)).toBe('valid')
})
