import { describe, expect, test } from 'vitest'
import { inDays, issue } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { checkTimes, earliestTime, isPossible, statedTimes, timestampAuthoritiesOf, timestampPath } from './time.ts'
import type { SigstoreTrust } from './trust.ts'

const [notBefore, notAfter] = [inDays(-2), inDays(-1)]
const leaf = await parseCertificate((await issue({ subject: 'Signer', notBefore, notAfter })).der)
const now = new Date()
const FIVE_MINUTES = 5 * 60_000

function later(time: Date, ms: number): Date {
  return new Date(time.getTime() + ms)
}

function check(...times: Date[]): () => void {
  return () => {
    checkTimes(times, leaf, now, 'model.sigstore')
  }
}

describe('the times that a bundle states', () => {
  test('may be up to eight, from the first to the last moment of the certificate', () => {
    expect(check(notBefore, notAfter)).not.toThrow()
    expect(check(...Array.from({ length: 8 }, () => notBefore))).not.toThrow()
  })

  test('may not be none', () => {
    expect(check()).toThrow(
      refusal('TIME_MISSING', {
        file: 'model.sigstore',
        expected: 'a time promised by the transparency log, or a timestamp (RFC 3161)',
        found: 'neither',
      }),
    )
  })

  test('may not be more than eight, or invalid, or in the future', () => {
    const impossible = { file: 'model.sigstore', expected: `a time before ${now.toISOString()}` }
    const [skewed, future] = [later(now, FIVE_MINUTES), later(now, FIVE_MINUTES + 1)]
    expect(check(...Array.from({ length: 9 }, () => notBefore))).toThrow(
      refusal('TIMESTAMP_INVALID', { ...impossible, found: notBefore.toISOString() }),
    )
    expect(check(notBefore, new Date(NaN))).toThrow(
      refusal('TIMESTAMP_INVALID', { ...impossible, found: 'an invalid time' }),
    )
    expect(check(notBefore, future)).toThrow(
      refusal('TIMESTAMP_INVALID', { ...impossible, found: future.toISOString() }),
    )
    expect(check(skewed)).toThrow(refusal('CERTIFICATE_EXPIRED'))
    expect([skewed, future, new Date(NaN)].map((at) => isPossible(at, now))).toEqual([true, false, false])
  })

  test.each([
    ['CERTIFICATE_NOT_YET_VALID', later(notBefore, -1), 'was not yet valid'],
    ['CERTIFICATE_EXPIRED', later(notAfter, 1), 'had expired'],
  ] as const)('may not be outside of the validity of the certificate: %s', (code, at, words) => {
    for (const times of [[at], [at, notBefore], [notBefore, at]])
      expect(check(...times)).toThrow(
        refusal(code, {
          file: 'model.sigstore',
          expected: `a time from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
          found: at.toISOString(),
          message: expect.stringContaining(words),
        }),
      )
  })
})

type Timestamps = Parameters<typeof statedTimes>[0]

const [keyId, serial, issuer] = [Buffer.from('log'), Buffer.from('1'), Buffer.from('issuer')]

/** An entry of a log at a time in seconds. */
function logged(seconds: number, promised = true, id = keyId): Timestamps[number] {
  const inclusionPromise = promised ? { signedEntryTimestamp: Buffer.from('') } : undefined
  const tlogEntry = { inclusionPromise, integratedTime: String(seconds), logId: { keyId: id } }
  return { $case: 'transparency-log', tlogEntry } as unknown as Timestamps[number]
}

function stamped(seconds: number, signerSerialNumber = serial, signerIssuer = issuer): Timestamps[number] {
  const timestamp = { signingTime: new Date(seconds * 1_000), signerSerialNumber, signerIssuer }
  return { $case: 'timestamp-authority', timestamp } as unknown as Timestamps[number]
}

function trustIn(authority: object, log: object = { logId: { keyId }, baseUrl: 'https://log.example' }): SigstoreTrust {
  const certChain = { certificates: [{ rawBytes: Buffer.from('leaf') }, { rawBytes: Buffer.from('root') }] }
  const other = { uri: 'https://other.example', certChain: { certificates: [{ rawBytes: Buffer.from('other') }] } }
  return {
    root: { tlogs: [log], timestampAuthorities: [other, { certChain, ...authority }] },
    material: {
      timestampAuthorities: [
        { certChain: [{ serialNumber: Buffer.from('2'), issuer }] },
        { certChain: [{ serialNumber: serial, issuer }] },
      ],
    },
  } as unknown as SigstoreTrust
}

const acme = trustIn({ uri: '', subject: { commonName: 'Time', organization: 'Acme' } })

describe('the time that was verified with a bundle', () => {
  const at = '1970-01-01T00:00:05.000Z'

  test('is the earliest of those that a log promised or an authority signed', () => {
    expect(earliestTime([logged(7), logged(5), logged(3, false), stamped(6)], acme)).toEqual({
      at,
      source: 'rekor',
      authority: 'https://log.example',
    })
    expect(earliestTime([logged(6), stamped(5)], acme)).toEqual({ at, source: 'rfc3161', authority: 'CN=Time,O=Acme' })
    expect(statedTimes([logged(3, false)])).toEqual([])
    expect(() => earliestTime([logged(3, false)], acme)).toThrow(refusal('TIME_MISSING'))
  })

  test('names a log by its address, found by the key of its checkpoints if it has one, or else by its key', () => {
    const [other, log] = [Buffer.from('other'), { baseUrl: 'https://log.example' }]
    const named = (found: object) => earliestTime([logged(5)], trustIn({}, { ...log, ...found })).authority
    expect(named({ logId: { keyId: other }, checkpointKeyId: { keyId } })).toBe('https://log.example')
    expect(named({ logId: { keyId }, checkpointKeyId: { keyId: other } })).toBe(keyId.toString('hex'))
    expect(named({})).toBe(keyId.toString('hex'))
  })

  test('names an authority by its address, or else by its subject', () => {
    const named = (authority: object) => earliestTime([stamped(5)], trustIn(authority)).authority
    expect(named({ uri: 'https://time.example', subject: { commonName: 'Time' } })).toBe('https://time.example')
    expect(named({})).toBe('CN=,O=')
    expect(earliestTime([stamped(5, Buffer.from('3'))], acme).authority).toBe('CN=,O=')
  })

  test('depends on the certificates of the authorities that signed', () => {
    const path = [Buffer.from('leaf'), Buffer.from('root')]
    expect(timestampPath([stamped(5)], acme)).toEqual(path)
    expect(timestampPath([stamped(5), logged(3), stamped(6, Buffer.from('2'))], acme)).toEqual([
      ...path,
      Buffer.from('other'),
    ])
    for (const foreign of [stamped(5, Buffer.from('3')), stamped(5, serial, Buffer.from('none'))])
      expect(timestampPath([foreign], acme)).toEqual([])
    expect(timestampPath([stamped(5)], trustIn({ certChain: undefined }))).toEqual([])
  })

  test('may be by any authority of the root that its timestamp names', () => {
    const named = (stamp: Timestamps[number], trust: SigstoreTrust = acme) =>
      stamp.$case === 'timestamp-authority' ? timestampAuthoritiesOf(stamp.timestamp, trust) : undefined
    expect(named(stamped(5))).toEqual([acme.root.timestampAuthorities[1]])
    expect(named(stamped(5, Buffer.from('3')))).toEqual([])
    const empty = { ...acme, material: { timestampAuthorities: [{ certChain: [] }] } } as unknown as SigstoreTrust
    expect(named(stamped(5), empty)).toEqual([])
  })
})
