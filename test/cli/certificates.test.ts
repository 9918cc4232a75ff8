import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  authority,
  inDays,
  pemOf,
  privateKeyPem,
  revocationList,
  SERVER_AUTH,
  signingLeaf,
  type Issued,
  type IssueOptions,
} from '../../packages/core/src/testing/authority.ts'
import { answerBlindly, timestampAuthority } from '../../packages/core/src/testing/timestamp.ts'
import {
  directory,
  failed,
  JUDGE,
  jsonOf,
  modelseal,
  requiring,
  rootDigestIn,
  SIGN,
  useWorkingDirectory,
  VERIFY,
  write,
} from './modelseal.ts'

useWorkingDirectory()

let root: Issued
let intermediate: Issued
let leaf: Issued

/** Writes a chain of leaf, intermediate and root to files with these names. */
async function makeChain(options: Partial<IssueOptions> = {}): Promise<void> {
  const since = { notBefore: inDays(-30) }
  root = await authority('Root', since)
  intermediate = await authority('Intermediate', { issuer: root, ...since })
  leaf = await signingLeaf(intermediate, { subject: 'Release team', ...options })
  await Promise.all([
    write('root.pem', pemOf(root)),
    write('intermediate.pem', pemOf(intermediate)),
    write('leaf.pem', pemOf(leaf)),
    privateKeyPem(leaf).then((pem) => write('leaf.key', pem)),
  ])
}

beforeEach(() => makeChain())

const SIGN_CERTIFICATE = [
  ...['sign', 'certificate', 'vad', '--private-key', 'leaf.key', '--signing-certificate', 'leaf.pem'],
  ...['--certificate-chain', 'intermediate.pem', '--signature', 'vad/model.sig'],
]
const WITHOUT_ROOT = ['verify', 'certificate', 'vad', '--signature', 'vad/model.sig']
const VERIFY_CERTIFICATE = [...WITHOUT_ROOT, '--certificate-chain', 'root.pem']

async function sign(...more: string[]) {
  const signed = await modelseal([...SIGN_CERTIFICATE, ...more])
  expect(signed).toMatchObject({ code: 0, stderr: '' })
  return signed
}

/** Signs with the key alone and then adds the chain, because signing refuses an invalid leaf. */
async function signRegardless(...more: string[]): Promise<void> {
  await modelseal([...SIGN, '--private-key', 'leaf.key', ...more])
  const bundle = JSON.parse(await readFile(`${directory}/vad/model.sig`, 'utf8'))
  delete bundle.verificationMaterial.publicKey
  const certificates = [leaf, intermediate].map(({ der }) => ({ rawBytes: der.toString('base64') }))
  bundle.verificationMaterial.x509CertificateChain = { certificates }
  await write('vad/model.sig', JSON.stringify(bundle))
}

describe('sign certificate and verify certificate', () => {
  test('sign and verify a model, and name the signer', async () => {
    const signed = await sign()
    const verified = await modelseal(VERIFY_CERTIFICATE)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('signer       certificate "root.pem"')
    expect(verified.stdout).toContain('subject      "CN=Release team"')
    expect(signed.stdout).toMatch(/^ {2}signer +CN=Release team/m)
    expect(verified.stdout).toContain('issuer       "CN=Intermediate", serial number ')
    expect(verified.stdout).toContain('2 of 2 signed files')
    expect(rootDigestIn(verified.stdout)).toBe(rootDigestIn(signed.stdout))
    expect(verified.stdout).not.toContain('certificate  sha256:')
  })

  test('accept the option spelling of the reference tool, and chains in several files', async () => {
    const signing = ['--private_key=leaf.key', '--signing_certificate', 'leaf.pem']
    expect(await modelseal(['sign', 'certificate', 'vad', ...signing, '--signature', 'vad/model.sig'])).toMatchObject({
      code: 0,
    })
    const chain = ['--certificate_chain', 'root.pem', '--certificate_chain=intermediate.pem']
    expect(await modelseal([...WITHOUT_ROOT, ...chain])).toMatchObject({ code: 0 })
    await write('both.pem', pemOf(intermediate) + pemOf(root))
    expect(await modelseal([...WITHOUT_ROOT, '--certificate_chain', 'both.pem'])).toMatchObject({ code: 0 })
    failed(await modelseal(VERIFY_CERTIFICATE), 'CHAIN_NO_PATH')
  })

  test('show fingerprints on request, unless the log level is above info', async () => {
    await sign()
    const asked = [...VERIFY_CERTIFICATE, '--log_fingerprints']
    const { stdout } = await modelseal(asked)
    const fingerprint = (certificate: Issued) => certificate.x509.fingerprint256.replaceAll(':', '').toLowerCase()
    expect(stdout).toContain(`certificate  sha256:${fingerprint(leaf)}`)
    expect(stdout).toContain(`root         sha256:${fingerprint(root)}`)
    const quiet = await modelseal(['--log-level', 'WARNING', ...asked])
    expect(quiet).toMatchObject({ code: 0, stderr: '' })
    expect(quiet.stdout).toContain('2 of 2 signed files')
    expect(quiet.stdout).not.toContain(fingerprint(leaf))
  })

  test('print the signer as JSON', async () => {
    await sign()
    expect(await jsonOf([...VERIFY_CERTIFICATE, '--json'], 0)).toMatchObject({
      command: 'verify certificate',
      result: { signer: { method: 'certificate', name: 'root.pem', subject: 'CN=Release team' } },
    })
  })

  test('refuse a different root, and trust none from the bundle', async () => {
    await write('other.pem', pemOf(await authority('Root')))
    await sign('--certificate-chain', 'root.pem')
    failed(await modelseal([...WITHOUT_ROOT, '--certificate-chain', 'other.pem']), 'CHAIN_NO_PATH')
    for (const chain of [[], ['--certificate-chain', 'intermediate.pem']]) {
      const { code, stderr } = await modelseal([...WITHOUT_ROOT, ...chain])
      expect(code).toBe(2)
      expect(stderr).toContain('Error INVALID_ARGUMENT: Cannot verify the certificate: no root certificate was given')
    }
  })

  test('trust the system roots only on request, and refuse this signer, who has none there', async () => {
    await sign()
    const { code, stderr } = await modelseal([...WITHOUT_ROOT, '--system-roots'])
    expect(code).not.toBe(0)
    // On a machine without system roots, the message says so instead.
    expect(stderr).toMatch(/^Error (CHAIN_NO_PATH|INVALID_ARGUMENT): /)
    expect(await modelseal([...VERIFY_CERTIFICATE, '--system-roots'])).toMatchObject({ code: 0 })
  })

  test.each([
    ['has expired', { notBefore: inDays(-20), notAfter: inDays(-10) }, 'CERTIFICATE_EXPIRED'],
    ['is not yet valid', { notBefore: inDays(10), notAfter: inDays(20) }, 'CERTIFICATE_NOT_YET_VALID'],
  ])('neither sign with nor accept a leaf that %s', async (_, options, code) => {
    await makeChain(options)
    failed(await modelseal(SIGN_CERTIFICATE), code)
    expect(await readdir(`${directory}/vad`)).not.toContain('model.sig')
    await signRegardless()
    expect(failed(await modelseal(VERIFY_CERTIFICATE), code)).toContain('CN=Release team')
  })

  test('neither sign with nor accept a leaf that does not permit signing', async () => {
    await makeChain({ usages: ['keyEncipherment'], extendedUsages: [SERVER_AUTH] })
    failed(await modelseal(SIGN_CERTIFICATE), 'CERTIFICATE_USAGE')
    await signRegardless()
    failed(await modelseal(VERIFY_CERTIFICATE), 'CERTIFICATE_USAGE')
  })

  test('refuse a revoked leaf, an outdated list, and a list by another issuer', async () => {
    await sign()
    const lists = {
      'good.crl': await revocationList(intermediate),
      'revoked.crl': await revocationList(intermediate, { revoked: [{ certificate: leaf }] }),
      'stale.crl': await revocationList(intermediate, { thisUpdate: inDays(-9), nextUpdate: inDays(-2) }),
      'root.crl': await revocationList(root),
      'other.crl': await revocationList(await authority('Other')),
    }
    await Promise.all(Object.entries(lists).map(([name, der]) => write(name, der)))
    const verifyWith = (...names: string[]) =>
      modelseal([...VERIFY_CERTIFICATE, ...names.flatMap((name) => ['--crl', name])])
    expect(await verifyWith('good.crl', 'root.crl')).toMatchObject({ code: 0 })
    failed(await verifyWith('revoked.crl', 'root.crl'), 'CERTIFICATE_REVOKED')
    failed(await verifyWith('stale.crl', 'root.crl'), 'CRL_STALE')
    failed(await verifyWith('other.crl'), 'CRL_MISSING')
    failed(await verifyWith('leaf.key'), 'CRL_INVALID')
    failed(await verifyWith('nothing.crl'), 'FILE_NOT_FOUND')
  })

  test('refuse a key that does not match the certificate, and files without certificates', async () => {
    failed(await modelseal([...SIGN_CERTIFICATE, '--private-key', 'release.key']), 'KEY_MISMATCH')
    failed(await modelseal([...SIGN_CERTIFICATE, '--signing-certificate', 'release.pub']), 'CERTIFICATE_INVALID')
    failed(await modelseal([...SIGN_CERTIFICATE, '--certificate-chain', 'release.pub']), 'CERTIFICATE_INVALID')
    expect(await readdir(`${directory}/vad`)).not.toContain('model.sig')
    await sign()
    failed(await modelseal([...WITHOUT_ROOT, '--certificate-chain', 'release.pub']), 'CERTIFICATE_INVALID')
    failed(await modelseal([...WITHOUT_ROOT, '--certificate-chain', 'nothing.pem']), 'FILE_NOT_FOUND')
  })

  test('refuse a bundle of another signing method', async () => {
    await sign()
    failed(await modelseal(VERIFY), 'METHOD_MISMATCH')
    await modelseal(SIGN)
    failed(await modelseal(VERIFY_CERTIFICATE), 'METHOD_MISMATCH')
  })

  test('refuse a changed file', async () => {
    await sign()
    await write('vad/weights.bin', 'other')
    expect(failed(await modelseal(VERIFY_CERTIFICATE), 'FILE_MISMATCH')).toContain('"weights.bin"')
  })
})

describe('attest certificate', () => {
  const ATTEST = [
    ...['attest', 'certificate', 'vad', '--type', 'https://example.org/review/v1', '--from', 'review.json'],
    ...['--private-key', 'leaf.key', '--signing-certificate', 'leaf.pem'],
  ]
  const CHAIN = ['--certificate-chain', 'intermediate.pem']
  const bySubject = (cn: string) =>
    requiring(
      { type: 'https://example.org/review/v1', signers: [{ certificate: { root: 'acme', subject: `CN=${cn}` } }] },
      { acme: { certificates: { roots: './root.pem' } } },
    )

  beforeEach(async () => {
    await write('review.json', '{"approved":true}')
    await modelseal(SIGN)
  })

  test('adds an attestation that a policy believes by its chain, and only by this signer', async () => {
    await bySubject('Release team')
    const attested = await modelseal([...ATTEST, ...CHAIN])
    expect(attested).toMatchObject({ code: 0, stderr: '' })
    expect(attested.stdout).toMatch(/^ {2}signer +CN=Release team/m)
    expect(await modelseal(JUDGE)).toMatchObject({ code: 0, stderr: '' })
    await bySubject('Somebody else')
    failed(await modelseal(JUDGE), 'SIGNER_NOT_TRUSTED')
  })

  test('without the intermediate certificate, makes one that no policy believes', async () => {
    await bySubject('Release team')
    expect(await modelseal(ATTEST)).toMatchObject({ code: 0 })
    failed(await modelseal(JUDGE), 'CHAIN_NO_PATH')
    // With its chain, the same statement is not the one that is there already.
    const again = await modelseal([...ATTEST, ...CHAIN])
    expect(again.stdout).toMatch(/^Attested "vad"\n/)
    expect(await modelseal(JUDGE)).toMatchObject({ code: 0, stderr: '' })
  })

  test('refuses a key that does not match the certificate', async () => {
    failed(await modelseal([...ATTEST, '--private-key', 'release.key']), 'KEY_MISMATCH')
    expect(await readdir(directory)).not.toContain('vad.claims.jsonl')
  })
})

describe('--tsa-url', () => {
  test('makes a signature outlive its certificate, for verifiers that trust the authority', async () => {
    await makeChain({ notBefore: inDays(-20), notAfter: inDays(-10) })
    const { root: timeRoot, signer } = await timestampAuthority({ notBefore: inDays(-30) })
    await write('time.pem', pemOf(timeRoot))
    const tsa = await serve((request) => answerBlindly(signer, request, { at: inDays(-15) }))
    await signRegardless('--tsa-url', tsa.url).finally(tsa.close)
    failed(await modelseal(VERIFY_CERTIFICATE), 'CERTIFICATE_EXPIRED')
    const believing = await modelseal([...VERIFY_CERTIFICATE, '--timestamp-authority', 'time.pem'])
    expect(believing).toMatchObject({ code: 0, stderr: '' })
    expect(believing.stdout).toContain('according to "CN=Time Authority"')
    failed(await modelseal([...VERIFY_CERTIFICATE, '--timestamp-authority', 'root.pem']), 'TIMESTAMP_UNTRUSTED')
  })

  test('writes nothing if the authority cannot be reached or its URL is invalid', async () => {
    const { url, close } = await serve(() => Promise.resolve(Buffer.alloc(0)))
    close()
    failed(await modelseal([...SIGN, '--tsa-url', url]), 'TSA_UNREACHABLE')
    expect((await modelseal([...SIGN, '--tsa-url', 'ftp://tsa.example'])).code).toBe(2)
    expect(await readdir(`${directory}/vad`)).not.toContain('model.sig')
  })

  test('writes nothing if the authority returns an invalid response', async () => {
    const { url, close } = await serve(() => Promise.resolve(Buffer.from('<html>')))
    failed(await modelseal([...SIGN, '--tsa-url', url]).finally(close), 'TSA_RESPONSE')
    expect(await readdir(`${directory}/vad`)).not.toContain('model.sig')
  })
})

/** A timestamp authority on this machine. */
async function serve(answer: (request: Buffer) => Promise<Buffer>): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => void answer(Buffer.concat(chunks)).then((body) => response.end(body)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}
