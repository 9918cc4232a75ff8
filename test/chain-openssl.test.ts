import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { readBundle } from '../packages/core/src/bundle/read-bundle.ts'
import {
  authority,
  CODE_SIGNING,
  inDays,
  issue,
  pemOf,
  privateKeyPem,
  revocationList,
  signingLeaf,
  type Issued,
  type IssueOptions,
  type Name,
} from '../packages/core/src/testing/authority.ts'
import { timestampAuthority } from '../packages/core/src/testing/timestamp.ts'
import { certificateSigner } from '../packages/core/src/signing/methods/certificate.ts'
import { signModel } from '../packages/core/src/signing/sign-model.ts'
import { verifyCertificateBundle } from '../packages/core/src/verification/methods/certificate.ts'
import { validateChain } from '../packages/core/src/verification/chain/chain.ts'
import { attackRuns } from '../packages/core/src/testing/runs.ts'

// Compares verdicts on certificate chains with those of the openssl command. Creating the certificates
// does not need OpenSSL.
const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout as string | null
const hasOpenssl = /^OpenSSL [3-9]/.test(version ?? '')
if (!hasOpenssl) console.warn('Skipped: there is no command openssl of version 3 to compare with.')

const directory = mkdtempSync(join(tmpdir(), 'modelseal-'))
afterAll(() => rmSync(directory, { recursive: true }))

function written(name: string, content: string | Buffer): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

interface Chain {
  leaf: Issued
  intermediates?: readonly Issued[]
  roots: readonly Issued[]
  crls?: readonly Buffer[]
}

function opensslAccepts({ leaf, intermediates = [], roots, crls }: Chain): boolean {
  const pems = (certificates: readonly Issued[]) => certificates.map((one) => pemOf(one)).join('')
  const { status } = spawnSync('openssl', [
    'verify',
    '-x509_strict',
    '-no-CApath',
    '-no-CAstore',
    ...['-CAfile', written('roots.pem', pems(roots))],
    ...(intermediates.length > 0 ? ['-untrusted', written('chain.pem', pems(intermediates))] : []),
    ...(crls
      ? ['-crl_check', '-CRLfile', written('crls.pem', crls.map((der) => pemOf({ der }, 'X509 CRL')).join(''))]
      : []),
    written('leaf.pem', pemOf(leaf)),
  ])
  return status === 0
}

async function modelsealAccepts({ leaf, intermediates = [], roots, crls }: Chain): Promise<boolean> {
  const ders = (certificates: readonly Issued[]) => certificates.map(({ der }) => der)
  const chain = { leaf: leaf.der, intermediates: ders(intermediates), roots: ders(roots), crls }
  return validateChain(chain).then(
    () => true,
    (error: unknown) => {
      expect((error as { code?: string }).code).toMatch(/^(CHAIN|CERTIFICATE|CRL)_/)
      return false
    },
  )
}

describe.skipIf(!hasOpenssl)('OpenSSL agrees', () => {
  test('on good chains and on bad chains of each kind', async () => {
    const root = await authority('Root')
    const middle = await authority('Intermediate', { issuer: root })
    const leaf = await signingLeaf(middle)
    const limited = await authority('Limited', { issuer: root, pathLength: 0 })
    const below = await authority('Below', { issuer: limited })
    const noCa = await issue({ subject: 'No Authority', issuer: root, usages: ['digitalSignature'] })
    const stranger = await authority('Root')
    const old = await signingLeaf(middle, { notBefore: inDays(-9), notAfter: inDays(-1) })
    const young = await signingLeaf(middle, { notBefore: inDays(1) })
    const same = await signingLeaf(root, { subject: 'Root' })
    const cross = await authority('Intermediate', { issuer: stranger, keys: middle.keys })
    const intermediates = [middle]
    const roots = [root]
    const chains: [Chain, boolean][] = [
      [{ leaf, intermediates, roots }, true],
      [{ leaf, intermediates: [root, middle], roots }, true],
      // In this order, because OpenSSL tries only one path.
      [{ leaf, intermediates: [middle, cross], roots }, true],
      [{ leaf, intermediates: [cross, middle], roots: [stranger] }, true],
      [{ leaf: same, roots }, true],
      [{ leaf, roots }, false],
      [{ leaf, intermediates, roots: [stranger] }, false],
      [{ leaf: old, intermediates, roots }, false],
      [{ leaf: young, intermediates, roots }, false],
      [{ leaf: await signingLeaf(noCa), intermediates: [noCa], roots }, false],
      [{ leaf: await signingLeaf(limited), intermediates: [limited], roots }, true],
      [{ leaf: await signingLeaf(below), intermediates: [below, limited], roots }, false],
      [{ leaf, intermediates, roots, crls: [await revocationList(middle)] }, true],
      [{ leaf, intermediates, roots, crls: [await revocationList(root)] }, false],
      [{ leaf, intermediates, roots, crls: [await revocationList(middle, { nextUpdate: inDays(-0.5) })] }, false],
      [{ leaf, intermediates, roots, crls: [await revocationList(middle, { signer: root })] }, false],
      [
        { leaf, intermediates, roots, crls: [await revocationList(middle, { revoked: [{ certificate: leaf }] })] },
        false,
      ],
    ]
    for (const [index, [chain, good]] of chains.entries()) {
      expect(opensslAccepts(chain), `OpenSSL on chain ${index}`).toBe(good)
      expect(await modelsealAccepts(chain), `modelseal on chain ${index}`).toBe(good)
    }
  })

  test('on chains of any shape: we accept nothing that it refuses, and refuse little that it accepts', async () => {
    const name = fc.oneof(
      fc.constantFrom<Name>([2, 'a.example.org'], [2, 'example.org'], [2, 'evil.net'], [2, '*.example.org']),
      fc.constantFrom<Name>([1, 'x@example.org'], [1, 'x@a.example.org'], [1, 'x@evil.net']),
      fc.constantFrom<Name>([6, 'https://example.org/x'], [6, 'https://a.example.org/x'], [6, 'https://evil.net/']),
      fc.constantFrom<Name>([7, new Uint8Array([10, 0, 0, 1])], [7, new Uint8Array([11, 0, 0, 1])]),
    )
    const constraint = fc.constantFrom<Name>(
      [2, 'example.org'],
      [2, 'a.example.org'],
      [1, 'example.org'],
      [1, '.example.org'],
      [6, 'example.org'],
      [6, '.example.org'],
      [7, new Uint8Array([10, 0, 0, 0, 255, 0, 0, 0])],
    )
    const constraints = fc.option(fc.array(constraint, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 })
    const mostly = <T>(usual: T, odd: T) => fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, fc.constant(odd))
    const shape = fc.record(
      {
        ca: mostly(true, false),
        pathLength: fc.option(fc.nat(2), { nil: undefined, freq: 1 }),
        usages: mostly<IssueOptions['usages']>(['keyCertSign'], ['digitalSignature']),
        permitted: constraints,
        excluded: constraints,
        notAfter: mostly(inDays(30), inDays(-0.5)),
        subject: fc.constantFrom('First', 'Second', 'Third'),
      },
      { requiredKeys: ['ca', 'usages', 'notAfter', 'subject'] },
    )
    const tally = { accepted: 0, refused: 0, stricter: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { maxLength: 3 }), fc.array(name, { maxLength: 3 }), async (shapes, names) => {
        const root = await authority('Root')
        const intermediates: Issued[] = []
        for (const options of shapes) {
          const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
          intermediates.push(
            await issue({ ...given, ca: options.ca, subject: options.subject, issuer: intermediates.at(-1) ?? root }),
          )
        }
        const leaf = await signingLeaf(intermediates.at(-1) ?? root, names.length > 0 ? { names } : {})
        const chain = { leaf, intermediates, roots: [root] }
        const [openssl, ours] = [opensslAccepts(chain), await modelsealAccepts(chain)]
        if (ours) tally.accepted++
        else tally.refused++
        expect(ours && !openssl, 'accepted, although OpenSSL refuses it').toBe(false)
        if (openssl && !ours) tally.stricter++
      }),
      { numRuns: attackRuns(30) },
    )
    expect(tally.accepted).toBeGreaterThan(0)
    expect(tally.refused).toBeGreaterThan(0)
    console.info('chains compared with OpenSSL:', tally)
  })

  test('timestamps by its authority verify at their stated time', async () => {
    const { root, signer } = await timestampAuthority()
    const config = written(
      'tsa.cnf',
      [
        '[tsa]',
        `serial = ${written('serial', '01\n')}`,
        `signer_cert = ${written('tsa.pem', pemOf(signer))}`,
        `signer_key = ${written('tsa.key', await privateKeyPem(signer))}`,
        `certs = ${written('tsa-chain.pem', pemOf(root))}`,
        'signer_digest = sha256',
        'default_policy = 1.3.6.1.4.1.99999.4',
        'digests = sha256, sha512',
        'accuracy = secs:1, millisecs:500',
        'ess_cert_id_chain = no',
        'ess_cert_id_alg = sha256',
        '',
      ].join('\n'),
    )
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const query = written('query.tsq', Buffer.concat(chunks))
        const reply = ['ts', '-reply', '-config', config, '-section', 'tsa', '-queryfile', query]
        response.end(execFileSync('openssl', reply, { stdio: ['ignore', 'pipe', 'ignore'] }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const top = await authority('Root')
      const leaf = await signingLeaf(top, { extendedUsages: [CODE_SIGNING] })
      const signed = await signModel(written('model.onnx', 'weights'), {
        signer: await certificateSigner({
          privateKey: written('leaf.key', await privateKeyPem(leaf)),
          certificate: written('signer.pem', pemOf(leaf)),
        }),
        timestampAuthority: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      })
      const bundle = await readBundle(signed.signature)
      const trust = { roots: [top.der], timestampAuthorities: [root.der] }
      const { time } = await verifyCertificateBundle(bundle, trust, 'release')
      expect(time?.authority).toBe('CN=Time Authority')
      // Long after the signer's certificate has expired.
      const later = await verifyCertificateBundle(bundle, { ...trust, now: inDays(10_000) }, 'release')
      expect(later.time).toEqual(time)
      await expect(
        verifyCertificateBundle(bundle, { roots: [top.der], now: inDays(10_000) }, 'release'),
      ).rejects.toMatchObject({ code: 'CERTIFICATE_EXPIRED' })
    } finally {
      server.close()
    }
  })
})
