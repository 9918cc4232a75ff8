import { expect, test } from 'vitest'
import type { AttestationVerdict, BundleVerdict, Verdict } from '../../results.ts'
import { digestOf } from '../../testing/journals.ts'
import { asRecord } from '../format/record.ts'
import { writeLine } from '../format/line.ts'
import { loadRecord } from './load-record.ts'

const AT = '2026-11-29T10:00:00.000Z'
const signer = { method: 'key', fingerprint: digestOf('key'), name: 'release' } as const
const bundle = { signer, counted: true, time: { at: AT }, logEntry: { log: 'rekor.example', index: 4711 } }
const claim = {
  type: 'https://slsa.dev/provenance/v1',
  kind: 'provenance',
  digest: digestOf('statement'),
  signer,
  satisfies: ['built by ours'],
}

function verdict(bundles: object[], attestations: object[]): Verdict {
  return {
    at: AT,
    decision: 'accepted',
    model: { path: '/srv/models/vad', rootDigest: digestOf('model') },
    bundles: bundles as BundleVerdict[],
    attestations: attestations as AttestationVerdict[],
    bytes: 100,
    durations: { policy: 0.4, verification: 1.6, hashing: 2 },
  } as unknown as Verdict
}

test('a record says where a signature is logged, and what the model was made from', () => {
  const base = digestOf('base model')
  const record = loadRecord(verdict([bundle], [claim]), new Map([[claim.digest, [base]]]), 'full')
  expect(record.signers).toEqual([{ ...signer, counted: true, log: 'rekor.example', logIndex: 4711, signedAt: AT }])
  expect(record.claims).toEqual([
    { type: claim.type, kind: 'provenance', digest: claim.digest, signer: signer.fingerprint, inputs: [base] },
  ])
  expect(record.durations).toEqual({ policy: 0, verification: 2, hashing: 2 })
  expect(asRecord(JSON.parse(JSON.stringify(record)))).toEqual({ record })
})

test('a record has no claim that nothing required, and no signer that is not proven', () => {
  const record = loadRecord(
    verdict(
      [{ ...bundle, signer: undefined }],
      [
        { ...claim, satisfies: [] },
        { ...claim, signer: undefined },
      ],
    ),
    new Map(),
    'full',
  )
  expect([record.signers, record.claims]).toEqual([[], []])
})

const TOKEN = `hf_${'aB'.repeat(17)}`

test('a token is not recorded, wherever it is in a verdict', () => {
  const url = `https://me:${TOKEN}@models.example/${TOKEN}/vad?token=${TOKEN}#${TOKEN}`
  const withToken = {
    ...verdict(
      [
        {
          ...bundle,
          signer: {
            ...signer,
            method: 'certificate',
            ...textsOf('name', 'issuer', 'subject', 'serialNumber'),
            rootFingerprint: digestOf('root'),
            subjectAltNames: [TOKEN, `DNS:${TOKEN}`],
          },
          logEntry: { log: TOKEN, index: 1 },
        },
        {
          ...bundle,
          signer: { ...signer, method: 'sigstore', ...textsOf('name', 'identity', 'issuer', 'serialNumber') },
        },
      ],
      [{ ...claim, ...textsOf('type', 'kind') }],
    ),
    ...textsOf('rule', 'by'),
    model: {
      path: `/srv/${TOKEN}/vad`,
      url,
      packageUrl: url,
      ...textsOf('name', 'entry', 'requested', 'revision', 'format'),
    },
    policy: `/etc/${TOKEN}.yaml`,
    advisories: [{ source: url, feed: TOKEN }],
  } as unknown as Verdict
  for (const paths of ['full', 'short'] as const) {
    const text = writeLine(loadRecord(withToken, new Map(), paths), 'x').bytes.toString()
    expect(text).toContain('[token withheld]')
    expect(text).not.toContain(TOKEN.slice(0, 12))
  }
})

function textsOf(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, TOKEN]))
}

test('a URL is recorded without its user, query and fragment', () => {
  const url = 'https://me:horse@models.example/vad?key=staple#battery'
  const { model } = loadRecord({ ...verdict([], []), model: { path: url, url, packageUrl: url } }, new Map(), 'full')
  expect(model).toEqual({ path: 'https://models.example/vad', url: model.path, packageUrl: model.path })
})
