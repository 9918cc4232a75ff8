import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import type { ErrorCode } from '@modelseal/core'
import { parseBundle, type UnverifiedBundle } from '../../packages/core/src/bundle/bundle.ts'
import { Effort } from '../../packages/core/src/verification/effort.ts'
import { loadSigstoreTrust } from '../../packages/core/src/verification/sigstore/trust.ts'
import { verifyKeyless, verifySigstoreBundle } from '../../packages/core/src/verification/methods/sigstore.ts'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { PUBLIC_GOOD_BUNDLE } from './install.mjs'

// A real signature by the public-good instance: the provenance of sigstore 2.0.0, signed by its release workflow.

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
const WORKFLOW = 'https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main'
const work = mkdtempSync(join(tmpdir(), 'modelseal-public-good-'))
process.env['MODELSEAL_CACHE'] = join(work, 'no-cache')
afterAll(() => rmSync(work, { recursive: true }))

interface Written {
  mediaType: string
  verificationMaterial: Record<string, unknown> & { tlogEntries: Record<string, unknown>[] }
  dsseEnvelope: { payload: string; signatures: { sig: string }[] }
}

/** Converted to v0.3, which OMS requires. This changes nothing that is signed or logged. */
function bundleJson(): Written {
  const { verificationMaterial: material, dsseEnvelope } = JSON.parse(
    readFileSync(PUBLIC_GOOD_BUNDLE, 'utf8'),
  ) as Written
  const { x509CertificateChain: chain, tlogEntries } = material as {
    x509CertificateChain: { certificates: object[] }
  } & Written['verificationMaterial']
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { certificate: chain.certificates[0], tlogEntries },
    dsseEnvelope,
  }
}

function bundleOf(change: (json: Written) => void = () => {}): UnverifiedBundle {
  const json = bundleJson()
  change(json)
  return parseBundle(Buffer.from(JSON.stringify(json)))
}

describe('a signature by the public-good instance, with the included root', () => {
  test('is valid, and names its signer and time', async () => {
    const trust = await loadSigstoreTrust('public-good')
    expect(trust.info.source).toBe('carried')
    const { signer, time, issuerPath } = await verifyKeyless(bundleOf(), trust, 'public-good', {
      now: new Date(),
      effort: new Effort(),
    })
    expect(signer).toMatchObject({
      identity: WORKFLOW,
      issuer: 'https://token.actions.githubusercontent.com',
      extensions: { sourceRepositoryUri: 'https://github.com/sigstore/sigstore-js' },
    })
    expect(time).toMatchObject({ source: 'rekor', authority: 'https://rekor.sigstore.dev' })
    expect(time.at.slice(0, 10)).toBe('2023-08-18')
    expect(issuerPath).toHaveLength(2)
  })

  test('is not a model signature', async () => {
    const trust = await loadSigstoreTrust('public-good')
    await expect(verifySigstoreBundle(bundleOf(), trust, 'public-good')).rejects.toEqual(refusal('PREDICATE_TYPE'))
  })

  test('is not valid for the staging instance', async () => {
    const trust = await loadSigstoreTrust('staging')
    await expect(verifySigstoreBundle(bundleOf(), trust, 'staging')).rejects.toEqual(refusal('LOG_UNTRUSTED'))
  })

  const changes: [ErrorCode, (json: Written) => void][] = [
    ['LOG_ENTRY_MISMATCH', (json) => (json.dsseEnvelope.payload = Buffer.from('{}').toString('base64'))],
    ['LOG_INCLUSION_INVALID', (json) => (json.verificationMaterial.tlogEntries[0]!['integratedTime'] = '1692374800')],
  ]
  test.each(changes)('is refused after a change: %s', async (code, change) => {
    const trust = await loadSigstoreTrust('public-good')
    await expect(verifySigstoreBundle(bundleOf(change), trust, 'public-good')).rejects.toEqual(refusal(code))
  })

  test.skipIf(spawnSync('unshare', ['-rn', 'true']).status !== 0)('needs no network', () => {
    const [model, signature] = [join(work, 'model'), join(work, 'model.sig')]
    mkdirSync(model)
    writeFileSync(join(model, 'weights'), 'w')
    writeFileSync(signature, JSON.stringify(bundleJson()))
    const identity = ['--identity', WORKFLOW, '--identity-provider', 'https://token.actions.githubusercontent.com']
    const args = ['-rn', process.execPath, PROGRAM, 'verify', 'sigstore', model, '--signature', signature, ...identity]
    const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8' })
    // The signature is valid, but does not cover a model.
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('PREDICATE_TYPE') })
  })
})
