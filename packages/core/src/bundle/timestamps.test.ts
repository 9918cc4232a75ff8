import { expect, test } from 'vitest'
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

test('refuses a bundle with malformed or too many timestamps', () => {
  const stamp = { signedTimestamp: 'AQID' }
  for (const [wrong, code] of [
    [[], 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: {} }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [null] }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [{}] }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [{ signedTimestamp: '' }] }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [{ ...stamp, more: 1 }] }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [stamp], more: 1 }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: Array(9).fill(stamp) }, 'BUNDLE_MALFORMED'],
    [{ rfc3161Timestamps: [{ signedTimestamp: 'AQI' }] }, 'BASE64_INVALID'],
  ] as const)
    expect(() => parseBundle(bundle(wrong)), JSON.stringify(wrong)).toThrow(expect.objectContaining({ code }))
})
