import { createHash } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { rejection, timestamp, timestampAuthority, type TimestampOptions } from '../testing/timestamp.ts'
import { isTimestampOver, parseTimestamp, readStatus } from './timestamp.ts'

const { signer } = await timestampAuthority()
const DATA = Buffer.from('the signature')
const AT = new Date('2026-01-02T03:04:05Z')

const made = (options: TimestampOptions = {}) => timestamp(signer, DATA, { at: AT, ...options })

interface Parts {
  response: pkijs.TimeStampResp
  signed: pkijs.SignedData
  info: pkijs.TSTInfo
}

interface Content {
  /** How its time is written. */
  time?: string
  /** What takes its place. */
  content?: Buffer
  /** What follows it. */
  tail?: Buffer
}

/** A response with changes that do not keep its signature valid, which is not checked here. */
async function changed(change: (parts: Parts) => void, { time, content, tail }: Content = {}): Promise<Buffer> {
  const response = new pkijs.TimeStampResp({ schema: asn1js.fromBER(await made()).result })
  const token = response.timeStampToken!
  const signed = new pkijs.SignedData({ schema: token.content as unknown })
  const info = new pkijs.TSTInfo({ schema: asn1js.fromBER(signed.encapContentInfo.eContent!.getValue()).result })
  const parts = { response, signed, info }
  change(parts)
  const schema = info.toSchema()
  if (time !== undefined) schema.valueBlock.value[4] = new asn1js.GeneralizedTime({ value: time })
  const valueHex = Buffer.concat([content ?? Buffer.from(schema.toBER()), tail ?? Buffer.alloc(0)])
  // In two parts, so that reading the response does not read it.
  const value = [valueHex.subarray(0, 3), valueHex.subarray(3)].map(
    (part) => new asn1js.OctetString({ valueHex: part }),
  )
  if (signed.encapContentInfo.eContent)
    signed.encapContentInfo.eContent = new asn1js.OctetString({
      idBlock: { isConstructed: true },
      isConstructed: true,
      value,
    })
  token.content = signed.toSchema(true)
  return Buffer.from(response.toSchema().toBER())
}

async function refuses(der: Buffer, found: string): Promise<void> {
  await expect(parseTimestamp(der, 'model.sig')).rejects.toEqual(
    refusal('TIMESTAMP_INVALID', {
      file: 'model.sig',
      found: `"${found}"`,
      message: expect.stringContaining('Cannot read a timestamp of the bundle.') as string,
      cause: expect.any(Error) as Error,
    }),
  )
}

describe('a timestamp', () => {
  test('states a time, over the hash of some data', async () => {
    const parsed = await parseTimestamp(await made())
    expect(parsed.at).toEqual(AT)
    expect(parsed.accuracyMs).toBe(0)
    expect(parsed.info.version).toBe(1)
    expect(parsed.token.encapContentInfo.eContent?.getValue()).toEqual(new Uint8Array(parsed.content).buffer)
    expect(isTimestampOver(parsed, DATA)).toBe(true)
    expect(isTimestampOver(parsed, Buffer.from('another signature'))).toBe(false)
  })

  test('may state a part of a second', async () => {
    const der = await changed(() => {}, { time: '20260102030405.25Z' })
    expect((await parseTimestamp(der)).at).toEqual(new Date('2026-01-02T03:04:05.250Z'))
  })

  test('may be granted with changes', async () => {
    const der = await made({ status: pkijs.PKIStatus.grantedWithMods })
    expect((await parseTimestamp(der)).at).toEqual(AT)
  })

  test.each([
    [{ seconds: 0 }, 0],
    [{ seconds: 2 }, 2000],
    [{ millis: 5 }, 5],
    [{ micros: 1 }, 1],
    [{ micros: 1000 }, 1],
    [{ seconds: 2, millis: 5, micros: 7 }, 2006],
  ])('states the accuracy %j', async (accuracy, ms) => {
    const der = await changed(({ info }) => (info.accuracy = new pkijs.Accuracy(accuracy)))
    expect((await parseTimestamp(der)).accuracyMs).toBe(ms)
  })

  test.each([
    ['2.16.840.1.101.3.4.2.1', 'sha256', true],
    ['2.16.840.1.101.3.4.2.2', 'sha384', true],
    ['2.16.840.1.101.3.4.2.3', 'sha512', true],
    ['1.3.14.3.2.26', 'sha1', false],
    ['2.16.840.1.101.3.4.2.1', 'sha384', false],
  ])('covers data by the hash %s (%s): %s', async (identifier, hash, expected) => {
    const der = await changed(({ info: { messageImprint } }) => {
      messageImprint.hashAlgorithm.algorithmId = identifier
      messageImprint.hashedMessage = new asn1js.OctetString({ valueHex: createHash(hash).update(DATA).digest() })
    })
    expect(isTimestampOver(await parseTimestamp(der), DATA)).toBe(expected)
  })
})

describe('refuses a timestamp that', () => {
  test.each<[string, (parts: Parts) => unknown, string]>([
    [
      'was not granted',
      ({ response }) => (response.status.status = pkijs.PKIStatus.waiting),
      'no timestamp was granted',
    ],
    [
      'is not signed data',
      ({ response }) => (response.timeStampToken!.contentType = '1.2.840.113549.1.7.1'),
      'it is not signed data',
    ],
    [
      'contains something else',
      ({ signed }) => (signed.encapContentInfo.eContentType = '1.2.840.113549.1.7.1'),
      'it does not contain a time',
    ],
    ['contains nothing', ({ signed }) => delete signed.encapContentInfo.eContent, 'it does not contain a time'],
    ['has no signer', ({ signed }) => (signed.signerInfos = []), 'it does not have exactly one signer'],
    [
      'has two signers',
      ({ signed }) => signed.signerInfos.push(...signed.signerInfos),
      'it does not have exactly one signer',
    ],
    ['has another version', ({ info }) => (info.version = 2), 'its version is not 1'],
    [
      'has a negative accuracy',
      ({ info }) => (info.accuracy = new pkijs.Accuracy({ seconds: -1 })),
      'its accuracy is invalid',
    ],
  ])('%s', async (_, change, found) => {
    await refuses(await changed(change), found)
  })

  test('has data after its content', async () => {
    await refuses(await changed(() => {}, { tail: Buffer.from([0]) }), 'its content is not DER or has trailing data')
  })

  test.each(['20260102030405', '20260102030405+0100', '202601020304Z', '2026010203.5Z', '20260102030405.1e400Z'])(
    'has its time in another form: %s',
    async (time) => {
      await refuses(await changed(() => {}, { time }), 'its time is invalid')
    },
  )

  test('has too many values', async () => {
    const many = Buffer.from(
      new asn1js.Sequence({ value: Array.from({ length: 2000 }, () => new asn1js.Null()) }).toBER(),
    )
    await refuses(many, 'it is not DER or has trailing data')
    await refuses(await changed(() => {}, { content: many }), 'its content is not DER or has trailing data')
  })

  test('has object identifiers that take long to read', async () => {
    const identifier = Buffer.from([0x06, 0x82, 0x08, 0x01, ...Array<number>(2049).fill(1)])
    await refuses(identifier, 'more than 2048 bytes of object identifiers')
  })

  test('is only a rejection', async () => {
    await refuses(rejection('busy'), 'no timestamp was granted')
  })

  test('has data after it', async () => {
    await refuses(Buffer.concat([await made(), Buffer.from([0])]), 'it is not DER or has trailing data')
  })

  test('is longer than 64 KiB', async () => {
    await refuses(Buffer.alloc(64 * 1024 + 1), '65537 bytes are too many for a timestamp')
    const largest = parseTimestamp(Buffer.alloc(64 * 1024))
    await expect(largest).rejects.not.toEqual(
      refusal('TIMESTAMP_INVALID', { found: expect.stringContaining('too many') }),
    )
  })
})

describe('the status of a response', () => {
  test.each([pkijs.PKIStatus.granted, pkijs.PKIStatus.grantedWithMods])('%d is granted', async (status) => {
    expect(await readStatus(await made({ status }))).toEqual({ granted: true, words: `status ${status}` })
  })

  test('has the words of the authority', async () => {
    expect(await readStatus(rejection('too many requests'))).toEqual({
      granted: false,
      words: 'status 2 too many requests',
    })
    const several = await changed(({ response: { status } }) => {
      status.statusStrings = ['too', 'many'].map((value) => new asn1js.Utf8String({ value }))
    })
    expect((await readStatus(several)).words).toBe('status 0 too many')
    await expect(readStatus(Buffer.from('busy'))).rejects.toThrow()
  })
})
