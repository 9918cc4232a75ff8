import { expect, test } from 'vitest'
import type { AttestationVerdict, BundleVerdict, Verdict } from '../../results.ts'
import { digestOf } from '../../testing/journals.ts'
import { asRecord } from '../format/record.ts'
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

test('a token in a name is not recorded', () => {
  const token = ['{"alg":"none"}', '{}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const withToken = {
    ...verdict([], []),
    rule: token,
    model: { path: '/m', name: token, entry: token, requested: token },
  }
  const text = JSON.stringify(loadRecord(withToken, new Map(), 'full'))
  expect(text.split('[token withheld]')).toHaveLength(5)
  expect(text).not.toContain(token)
})
