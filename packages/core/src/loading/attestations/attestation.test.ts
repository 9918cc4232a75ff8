import { expect, test } from 'vitest'
import { kindNamed } from '../../attestation/kinds/kinds.ts'
import type { BelievedAttestation } from '../../policy/attestations/judge-attestations.ts'
import { refusal } from '../../testing/scratch.ts'
import { believedAttestations, noAttestations } from './attestation.ts'
import { inOneLine } from './one-line.ts'

const TYPE = 'https://in-toto.io/attestation/test-result/v0.1'
const OTHER = 'https://example.org/review/v1'
const signer = { method: 'key', name: 'lab' }
const time = { at: '2026-11-01T00:00:00.000Z', source: 'rfc3161' }

function believed(verdict: object = {}, more: object = {}): BelievedAttestation {
  return {
    verdict: { path: 'claims.jsonl:1', signer, digest: 'd', ...verdict },
    kind: kindNamed('evaluation'),
    statement: { predicateType: TYPE, subjects: [], predicate: { raw: true } },
    predicate: { results: [] },
    ...more,
  } as never
}

test('an attestation is returned by its kind and by the URI of its type, and not by another', () => {
  const attestations = believedAttestations([believed({ time })])
  const found = { type: TYPE, content: { results: [] }, signer, time, digest: 'd' }
  expect(attestations('evaluation')).toEqual([found])
  expect(attestations(TYPE)).toEqual([found])
  expect(attestations('provenance')).toEqual([])
  expect(attestations(OTHER)).toEqual([])
})

test('one without a kind has its content as it is, and one without a time has none', () => {
  const other = { kind: undefined, statement: { predicateType: OTHER, predicate: { raw: true } }, predicate: undefined }
  const attestations = believedAttestations([believed(), believed({}, other)])
  expect(attestations(OTHER)).toEqual([{ type: OTHER, content: { raw: true }, signer, digest: 'd' }])
  expect(attestations('evaluation')[0]).not.toHaveProperty('time')
})

test('nothing is returned of which it is not known who signed it, or which it is', () => {
  for (const unknown of [{ signer: undefined }, { digest: undefined }])
    expect(believedAttestations([believed(unknown)])('evaluation')).toEqual([])
})

test('only the type of attestations is asked for, also where there are none', () => {
  for (const attestations of [believedAttestations([believed()]), noAttestations]) {
    expect(() => attestations('evaluations' as never)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('Cannot return attestations') as string }),
    )
    expect(() => attestations(1 as never)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the type of an attestation') as string }),
    )
  }
  expect(noAttestations('evaluation')).toEqual([])
})

test('a bundle is written in one line, with the same bytes otherwise', () => {
  const text = '\r\n {"a":\r\n\t"é\\n \u2028",\n"b":[\n\n]}\n'
  const line = inOneLine(Buffer.from(text))
  expect(line.toString()).toBe('{"a":  \t"é\\n \u2028", "b":[  ]}')
  expect(JSON.parse(line.toString())).toEqual(JSON.parse(text))
  const invalid = Buffer.from([0x22, 0xff, 0xfe, 0x0a, 0x22])
  expect(inOneLine(invalid)).toEqual(Buffer.from([0x22, 0xff, 0xfe, 0x20, 0x22]))
})
