import * as asn1js from 'asn1js'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { extension, issue, type Name } from '../../testing/authority.ts'
import { EXTENSION_NAMES, readFulcioClaims } from './fulcio-certificate.ts'

const ARC = '1.3.6.1.4.1.57264.1'
const ISSUER = 'https://issuer.example'
const IDENTITY = 'https://example.org/sign.yml@refs/heads/main'
const URI: Name = [6, IDENTITY]

/** An extension of Fulcio before 1.0: bare bytes. */
function bare(number: number, value: Uint8Array | string) {
  const bytes = Uint8Array.from(Buffer.from(value))
  return extension(`${ARC}.${number}`, false, { toBER: () => bytes.buffer })
}

/** An extension of later versions: a UTF-8 string in DER, with bytes behind it if the test gives some. */
function encoded(number: number, value: Uint8Array | string, behind = Buffer.alloc(0)) {
  const content = Buffer.from(value)
  return bare(number, Buffer.concat([Buffer.from([0x0c, content.length]), content, behind]))
}

async function claims(extensions: ReturnType<typeof bare>[], names: readonly Name[] | 'none' = [URI]) {
  const stated = names === 'none' ? {} : { names }
  return readFulcioClaims((await issue({ subject: [], ...stated, extensions })).der, 'model.sigstore.json')
}

/** What a refusal says that it found. */
async function found(...given: Parameters<typeof claims>): Promise<string | undefined> {
  const error = await claims(...given).then(
    () => expect.fail('accepted'),
    (error: unknown) => error as ModelSealError,
  )
  expect(error).toBeInstanceOf(ModelSealError)
  expect(error).toMatchObject({ code: 'CERTIFICATE_INVALID', file: 'model.sigstore.json' })
  expect(error.message).toContain('not one that Fulcio issues')
  expect(error.cause).toBeInstanceOf(Error)
  return error.found
}

test('a certificate with more values than its verification reads is refused', async () => {
  const values = (count: number) => [
    bare(1, ISSUER),
    extension('1.2.3', false, { toBER: () => new ArrayBuffer(2 * count) }),
  ]
  expect(await claims(values(3_500))).toMatchObject({ issuer: ISSUER })
  expect(await found(values(4_500))).toBe('"more than 4000 values"')
})

describe('the issuer of a Fulcio certificate', () => {
  test('is read from either form', async () => {
    expect(await claims([encoded(8, ISSUER)])).toMatchObject({ issuer: ISSUER, identity: IDENTITY, extensions: {} })
    expect(await claims([bare(1, ISSUER)])).toMatchObject({ issuer: ISSUER, identity: IDENTITY, extensions: {} })
    expect(await claims([bare(1, ISSUER), encoded(8, ISSUER)])).toMatchObject({ issuer: ISSUER })
  })

  test('must be the same in both forms', async () => {
    expect(await found([bare(1, ISSUER), encoded(8, `${ISSUER}/`)])).toBe('"two issuers"')
    expect(await found([encoded(8, ISSUER), bare(1, 'https://other.example')])).toBe('"two issuers"')
  })

  test('must be there', async () => {
    expect(await found([])).toBe('"no issuer"')
    expect(await found([encoded(9, ISSUER), encoded(7, ISSUER)])).toBe('"no issuer"')
  })

  test('must not be empty, in one form or beside a sound one', async () => {
    expect(await found([encoded(8, '')])).toBe('"an empty text"')
    expect(await found([bare(1, '')])).toBe('"an empty text"')
    expect(await found([bare(1, ''), encoded(8, ISSUER)])).toBe('"an empty text"')
    expect(await found([bare(1, ISSUER), encoded(8, '')])).toBe('"an empty text"')
  })

  test('must end where its extension ends', async () => {
    expect(await found([encoded(8, ISSUER, Buffer.from([0]))])).toBe('"an extension is malformed"')
    expect(await found([encoded(8, ISSUER, Buffer.from([0x0c, 1, 0x61]))])).toBe('"an extension is malformed"')
    // It says that it is longer than it is.
    expect(await found([bare(8, Buffer.from([0x0c, 20, 0x61]))])).toBe('"an extension is malformed"')
  })

  test('must be UTF-8', async () => {
    for (const bytes of [Buffer.from([0x68, 0xff]), Buffer.from([0xc0, 0xaf]), Buffer.from([0xed, 0xa0, 0x80])]) {
      expect(await found([encoded(8, bytes)])).toContain('encoded data was not valid')
      expect(await found([bare(1, bytes)])).toContain('encoded data was not valid')
    }
  })

  test('keeps a byte order mark, which makes it another issuer', async () => {
    const marked = `\ufeff${ISSUER}`
    expect((await claims([encoded(8, marked)])).issuer).toBe(marked)
    expect((await claims([bare(1, marked)])).issuer).toBe(marked)
    expect(await found([bare(1, marked), encoded(8, ISSUER)])).toBe('"two issuers"')
  })

  test('must be text, not a list of texts', async () => {
    const list = new asn1js.Sequence({ value: [new asn1js.Utf8String({ value: ISSUER })] })
    expect(await found([extension(`${ARC}.8`, false, list)])).toBe('"an empty text"')
  })
})

describe('the identity of a Fulcio certificate', () => {
  const issuer = encoded(8, ISSUER)

  test('is a URI or an e-mail address', async () => {
    expect((await claims([issuer], [[6, 'spiffe://example.org/a']])).identity).toBe('spiffe://example.org/a')
    expect((await claims([issuer], [[1, 'a@example.org']])).identity).toBe('a@example.org')
  })

  test('keeps a byte order mark', async () => {
    expect((await claims([issuer, alternative(text(6, `\ufeff${IDENTITY}`))], 'none')).identity).toBe(
      `\ufeff${IDENTITY}`,
    )
  })

  test('is the only alternative name', async () => {
    expect(await found([issuer], [URI, [1, 'a@example.org']])).toBe('"2 subject alternative names instead of one"')
    expect(await found([issuer], [URI, URI])).toBe('"2 subject alternative names instead of one"')
    const none = '"0 subject alternative names instead of one"'
    expect(await found([issuer], 'none')).toBe(none)
    const { der } = await issue({ subject: 'Alice', keyIds: false })
    await expect(readFulcioClaims(der, undefined)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID', found: none })
  })

  test('may be an otherName of the type that Fulcio uses, and of no other', async () => {
    expect((await claims([issuer, alternative(otherName(`${ARC}.7`))], 'none')).identity).toBe('alice!example.org')
    for (const type of [`${ARC}.8`, `${ARC}.7.1`, '1.3.6.1.4.1.311.20.2.3'])
      expect(await found([issuer, alternative(otherName(type))], 'none')).toBe(
        '"another type of subject alternative name"',
      )
  })

  test('is no name of another type', async () => {
    const other = '"another type of subject alternative name"'
    expect(await found([issuer], [[2, 'example.org']])).toBe(other)
    expect(await found([issuer], [[4, 'Alice']])).toBe(other)
    expect(await found([issuer], [[7, new Uint8Array([127, 0, 0, 1])]])).toBe(other)
  })

  test('must be readable: neither empty, nor with control characters, nor something else than UTF-8', async () => {
    const unreadable = '"a name that cannot be read"'
    expect(await found([issuer], [[6, '']])).toBe(unreadable)
    // An empty list of names.
    expect(await found([issuer], [])).toBe(unreadable)
    expect(await found([issuer], [[1, 'a@example.org\0']])).toBe(unreadable)
    expect(await found([issuer, alternative(text(6, Buffer.from([0x68, 0xff])))], 'none')).toBe(unreadable)
  })
})

describe('the other claims of a Fulcio certificate', () => {
  const old = ['Trigger', 'Sha', 'Name', 'Repository', 'Ref'].map((name) => `githubWorkflow${name}`)
  const current = [
    'buildSignerUri',
    'buildSignerDigest',
    'runnerEnvironment',
    'sourceRepositoryUri',
    'sourceRepositoryDigest',
    'sourceRepositoryRef',
    'sourceRepositoryIdentifier',
    'sourceRepositoryOwnerUri',
    'sourceRepositoryOwnerIdentifier',
    'buildConfigUri',
    'buildConfigDigest',
    'buildTrigger',
    'runInvocationUri',
    'sourceRepositoryVisibilityAtSigning',
    'deploymentEnvironment',
  ]

  test('have the names that a policy can require', () => {
    expect(EXTENSION_NAMES).toEqual([...old, ...current])
  })

  test('are each read from its own extension, old ones as bare text', async () => {
    const extensions = [
      encoded(8, ISSUER),
      ...old.map((name, index) => bare(2 + index, `value of ${name}`)),
      ...current.map((name, index) => encoded(9 + index, `value of ${name}`)),
    ]
    const expected = Object.fromEntries([...old, ...current].map((name) => [name, `value of ${name}`]))
    expect((await claims(extensions)).extensions).toEqual(expected)
  })

  test('are refused if one is malformed', async () => {
    const issuer = encoded(8, ISSUER)
    expect(await found([issuer, bare(5, '')])).toBe('"an empty text"')
    expect(await found([issuer, encoded(12, '')])).toBe('"an empty text"')
    expect(await found([issuer, bare(12, 'owner/repository')])).toBe('"an extension is malformed"')
    expect(await found([issuer, encoded(12, 'a', Buffer.from([0]))])).toBe('"an extension is malformed"')
    expect(await found([issuer, bare(5, Buffer.from([0xff]))])).toContain('encoded data was not valid')
  })

  test('come with the certificate that was read', async () => {
    const { der } = await issue({ subject: [], names: [URI], extensions: [encoded(8, ISSUER)] })
    expect((await readFulcioClaims(der, undefined)).certificate.x509.raw).toEqual(der)
  })
})

test('what is no certificate is refused as such', async () => {
  await expect(readFulcioClaims(Buffer.from('no certificate'), 'model.sigstore.json')).rejects.toMatchObject({
    code: 'CERTIFICATE_INVALID',
    file: 'model.sigstore.json',
    message: expect.not.stringContaining('Fulcio') as string,
  })
})

function alternative(...names: asn1js.AsnType[]) {
  return extension('2.5.29.17', false, new asn1js.Sequence({ value: names }))
}

function text(tagNumber: number, value: string | Uint8Array): asn1js.Primitive {
  return new asn1js.Primitive({
    idBlock: { tagClass: 3, tagNumber },
    valueHex: Uint8Array.from(Buffer.from(value)).buffer,
  })
}

function otherName(type: string): asn1js.Constructed {
  const tagged = (value: asn1js.AsnType[]) => new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value })
  return tagged([
    new asn1js.ObjectIdentifier({ value: type }),
    tagged([new asn1js.Utf8String({ value: 'alice!example.org' })]),
  ])
}
