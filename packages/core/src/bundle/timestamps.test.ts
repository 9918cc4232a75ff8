import { expect, test } from 'vitest'
import { field, refusal } from '../testing/scratch.ts'
import { parseBundle } from './bundle.ts'

const bundle = (timestampVerificationData: unknown) =>
  Buffer.from(
    JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { publicKey: { hint: 'x' }, timestampVerificationData },
      dsseEnvelope: {
        payload: 'e30=',
        payloadType: 'application/vnd.in-toto+json',
        signatures: [{ sig: 'AAAA' }],
      },
    }),
  )

test('reads the timestamps of a bundle, if it has any', () => {
  const stamp = { signedTimestamp: 'AQID' }
  expect(parseBundle(bundle({ rfc3161Timestamps: [stamp, stamp] })).timestamps).toEqual([
    Buffer.from([1, 2, 3]),
    Buffer.from([1, 2, 3]),
  ])
  for (const none of [undefined, null, {}, { rfc3161Timestamps: [] }, { rfc3161Timestamps: null }])
    expect(parseBundle(bundle(none)).timestamps).toEqual([])
})

test('reads up to 8 timestamps', () => {
  const stamps = Array.from({ length: 8 }, () => ({ signedTimestamp: 'AQID' }))
  expect(parseBundle(bundle({ rfc3161Timestamps: stamps })).timestamps).toHaveLength(8)
})

const stamp = { signedTimestamp: 'AQID' }
const DATA = 'verificationMaterial.timestampVerificationData'
const LIST = `${DATA}.rfc3161Timestamps`

test.each<[string, unknown, object]>([
  ['data that is a list', [], field(DATA, 'an object', 'an array of length 0')],
  ['timestamps that are not a list', { rfc3161Timestamps: {} }, field(LIST, 'an array', 'an object')],
  ['a timestamp that is null', { rfc3161Timestamps: [null] }, field(`${LIST}[0]`, 'an object', 'null')],
  [
    'a timestamp without its bytes',
    { rfc3161Timestamps: [{}] },
    field(`${LIST}[0].signedTimestamp`, 'a non-empty string', 'nothing'),
  ],
  [
    'an empty timestamp',
    { rfc3161Timestamps: [{ signedTimestamp: '' }] },
    field(`${LIST}[0].signedTimestamp`, 'a non-empty string', '""'),
  ],
  [
    'a timestamp with another field',
    { rfc3161Timestamps: [stamp, { ...stamp, more: 1 }] },
    field(`${LIST}[1].more`, 'no such field', '"more"'),
  ],
  ['another field', { rfc3161Timestamps: [stamp], more: 1 }, field(`${DATA}.more`, 'no such field', '"more"')],
  [
    'nine timestamps',
    { rfc3161Timestamps: Array(9).fill(stamp) },
    field(LIST, 'at most 8 timestamps', 'an array of length 9'),
  ],
])('refuses a bundle with %s', (_, wrong, details) => {
  expect(() => parseBundle(bundle(wrong))).toThrow(refusal('BUNDLE_MALFORMED', details))
})

test('refuses a bundle with a timestamp that is not base64', () => {
  const message = expect.stringContaining('the field signedTimestamp of "model.sig"') as string
  const wrong = bundle({ rfc3161Timestamps: [{ signedTimestamp: 'AQI' }] })
  expect(() => parseBundle(wrong, 'model.sig')).toThrow(refusal('BASE64_INVALID', { message, file: 'model.sig' }))
})
