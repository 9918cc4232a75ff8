import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeModel, type Verdict } from '@modelseal/core'
import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
import { certificateSigner, keySigner, signModel, type Signer } from '@modelseal/core/signing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  authority,
  CODE_SIGNING,
  pemOf,
  privateKeyPem,
  signingLeaf,
} from '../../packages/core/src/testing/authority.ts'
import { client, temporary } from './programs.ts'

// cosign verifies attestations that modelseal made, and modelseal those that cosign made.

const TYPE = 'https://in-toto.io/attestation/test-result/v0.1'
const OTHER_TYPE = 'https://example.org/review/v1'
const OTHER_DIGEST = 'f'.repeat(64)
const IDENTITY = 'release@acme.example'
const predicate = makeEvaluation({
  results: [{ metric: 'accuracy', value: 0.94 }],
  evaluatedOn: new Date().toISOString(),
})

let directory: string
let rootDigest: string
const at = (name: string) => join(directory, name)

beforeEach(async () => {
  directory = temporary()
  writeFileSync(at('vad.onnx'), 'weights')
  for (const name of ['release', 'lab']) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(at(`${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(at(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  }
  const signer = await keySigner({ privateKey: at('release.key') })
  ;({ rootDigest } = await signModel(at('vad.onnx'), { signer, signature: at('vad.onnx.sig') }))
})

afterEach(() => void vi.unstubAllEnvs())

describe('cosign verifies an attestation that modelseal made', () => {
  async function attest(signer: Signer, name: string): Promise<string> {
    const output = at(name)
    await attestModel(at('vad.onnx'), { signer, type: 'evaluation', predicate, output })
    return output
  }

  const verified = async (bundle: string, digest: string, type: string, ...how: string[]) => {
    const { code, stderr } = await client('cosign', [
      'verify-blob-attestation',
      ...[
        '--bundle',
        bundle,
        '--digest',
        digest,
        '--digestAlg',
        'sha256',
        '--type',
        type,
        '--insecure-ignore-tlog=true',
      ],
      ...how,
    ])
    return { code, stderr }
  }

  test('by key, and refuses another digest, type or key', async () => {
    const bundle = await attest(await keySigner({ privateKey: at('lab.key') }), 'by-key.json')
    const key = ['--key', at('lab.pub')]
    expect(await verified(bundle, rootDigest, TYPE, ...key)).toMatchObject({ code: 0 })
    expect((await verified(bundle, OTHER_DIGEST, TYPE, ...key)).code).not.toBe(0)
    expect((await verified(bundle, rootDigest, OTHER_TYPE, ...key)).code).not.toBe(0)
    expect((await verified(bundle, rootDigest, TYPE, '--key', at('release.pub'))).code).not.toBe(0)
  })

  test('by certificate, and refuses another digest, type or authority', async () => {
    const trustedRoot = async (name: string, root: Awaited<ReturnType<typeof authority>>) => {
      const certificateAuthorities = [
        {
          subject: { organization: 'Acme', commonName: 'Root' },
          uri: 'https://ca.acme.example',
          certChain: { certificates: [{ rawBytes: root.der.toString('base64') }] },
          validFor: { start: '2020-01-01T00:00:00Z' },
        },
      ]
      const mediaType = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1'
      writeFileSync(at(name), JSON.stringify({ mediaType, certificateAuthorities }))
    }
    const root = await authority('Root')
    const leaf = await signingLeaf(root, { subject: 'Acme', names: [[1, IDENTITY]], extendedUsages: [CODE_SIGNING] })
    await trustedRoot('root.json', root)
    await trustedRoot('other.json', await authority('Root'))
    writeFileSync(at('leaf.pem'), pemOf(leaf))
    writeFileSync(at('leaf.key'), await privateKeyPem(leaf))
    const signer = await certificateSigner({ privateKey: at('leaf.key'), certificate: at('leaf.pem') })
    const bundle = await attest(signer, 'by-certificate.json')
    const by = (trust: string, identity = IDENTITY) => [
      ...['--trusted-root', at(trust), '--allow-certificate-chain', '--insecure-ignore-sct=true'],
      ...['--certificate-identity', identity, '--certificate-oidc-issuer-regexp', '.*'],
    ]
    expect(await verified(bundle, rootDigest, TYPE, ...by('root.json'))).toMatchObject({ code: 0 })
    expect((await verified(bundle, OTHER_DIGEST, TYPE, ...by('root.json'))).code).not.toBe(0)
    expect((await verified(bundle, rootDigest, OTHER_TYPE, ...by('root.json'))).code).not.toBe(0)
    expect((await verified(bundle, rootDigest, TYPE, ...by('other.json'))).code).not.toBe(0)
    expect((await verified(bundle, rootDigest, TYPE, ...by('root.json', 'other@acme.example'))).code).not.toBe(0)
  })
})

describe('modelseal verifies an attestation that cosign made', () => {
  /** A bundle, in the file of attestations beside the model. */
  async function attest(digest: string, type: string): Promise<void> {
    vi.stubEnv('COSIGN_PASSWORD', '')
    await client(
      'cosign',
      ['import-key-pair', '--yes', '--key', at('lab.key'), '--output-key-prefix', 'imported'],
      directory,
    )
    const none = ['rekor', 'fulcio', 'tsa', 'oidc'].map((name) => `--no-default-${name}`)
    await client('cosign', ['signing-config', 'create', ...none, '--out', at('signing.json')])
    writeFileSync(at('predicate.json'), JSON.stringify(predicate))
    const { code, stderr } = await client('cosign', [
      ...['attest-blob', '--yes', '--key', at('imported.key'), '--hash', digest, '--predicate', at('predicate.json')],
      ...['--type', type, '--signing-config', at('signing.json'), '--bundle', at('cosign.json'), 'vad.onnx'],
    ])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    writeFileSync(at('vad.onnx.claims.jsonl'), `${readFileSync(at('cosign.json'), 'utf8').trim()}\n`)
  }

  async function judged(key = 'lab'): Promise<Verdict> {
    const where = [{ metric: 'accuracy', atLeast: 0.92 }]
    const attestations = [{ type: 'evaluation', signers: [{ key }], maxAge: '1d', where }]
    const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'release' }], require: { attestations } }
    const trustRoots = { release: { publicKey: 'release.pub' }, lab: { publicKey: 'lab.pub' } }
    writeFileSync(at('policy.yaml'), JSON.stringify({ version: 1, trustRoots, rules: [rule] }))
    return judgeModel(at('vad.onnx'), { policy: at('policy.yaml') })
  }

  test('by key, in a statement of version 0.1, and refuses another signer', async () => {
    await attest(rootDigest, TYPE)
    const { dsseEnvelope } = JSON.parse(readFileSync(at('cosign.json'), 'utf8')) as {
      dsseEnvelope: { payload: string }
    }
    expect(String(Buffer.from(dsseEnvelope.payload, 'base64'))).toContain('https://in-toto.io/Statement/v0.1')
    const verdict = await judged()
    expect(verdict).toMatchObject({
      decision: 'accepted',
      attestations: [{ signer: { name: 'lab' }, satisfies: ['evaluation'] }],
    })
    expect(await judged('release')).toMatchObject({ decision: 'refused', error: { code: 'SIGNER_NOT_TRUSTED' } })
  })

  test('and refuses one over another digest, and one of another type', async () => {
    await attest(OTHER_DIGEST, TYPE)
    expect(await judged()).toMatchObject({ decision: 'refused', error: { code: 'ATTESTATION_SUBJECT' } })
    await attest(rootDigest, OTHER_TYPE)
    expect(await judged()).toMatchObject({ decision: 'refused', error: { code: 'ATTESTATION_MISSING' } })
  })
})
