import { beforeAll, describe, expect, test } from 'vitest'
import { checkpointText } from '../../merkle/checkpoint.ts'
import { writeNote } from '../../merkle/signed-note.ts'
import { authority, pemOf, type Issued } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { loggedBody, loggedEnvelope, loggedKey } from '../../testing/test-log.ts'
import type { Entry } from './checkpoint.ts'
import { checkEntries, checkLoggedCertificate, checkLogs, logEntryOf } from './log.ts'
import type { SigstoreTrust } from './trust.ts'

const PATH = 'model.sig'
const [ID, OTHER_ID] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const [start, end] = [new Date('2024-01-01T00:00:00Z'), new Date('2025-01-01T00:00:00Z')]

interface Log {
  baseUrl?: string
  logId?: object
  checkpointKeyId?: object
  publicKey?: object
}

function trusting(...logs: Log[]): SigstoreTrust {
  const named = { baseUrl: 'https://rekor.test', logId: { keyId: ID }, publicKey: { validFor: { start, end } } }
  return { root: { tlogs: logs.map((log) => ({ ...named, ...log })) } } as unknown as SigstoreTrust
}

function entryOf(more: object = {}): Entry {
  const root = Buffer.alloc(32, 7)
  const text = checkpointText({ origin: 'rekor.test', size: 9, root })
  const signature = { name: 'rekor.test', keyHash: Buffer.alloc(4), signature: Buffer.alloc(64) }
  const checkpoint = { envelope: writeNote({ text, signatures: [signature] }) }
  return {
    logIndex: '3',
    logId: { keyId: ID },
    kindVersion: { kind: 'dsse', version: '0.0.1' },
    canonicalizedBody: Buffer.from('{}'),
    inclusionProof: { logIndex: '3', rootHash: root, treeSize: '9', hashes: [], checkpoint },
    ...more,
  } as unknown as Entry
}

const times = (count: number) => Array.from({ length: count }, () => entryOf())

describe('the log entries of a bundle', () => {
  const checked = (entries: readonly Entry[], trust = trusting({})) => checkLogs(entries, trust, PATH)

  test('are at most eight', () => {
    expect(() => checked(times(8))).not.toThrow()
    expect(() => checked(times(9))).toThrow(
      refusal('BUNDLE_MALFORMED', { file: PATH, expected: 'at most 8', found: '9' }),
    )
  })

  test('are each in a log that the trusted root names', () => {
    const strange = entryOf({ logId: { keyId: OTHER_ID } })
    for (const entries of [[strange], [entryOf(), strange]])
      expect(() => checked(entries, trusting({}, { baseUrl: 'https://b.test' }))).toThrow(
        refusal('LOG_UNTRUSTED', {
          file: PATH,
          expected: '"https://rekor.test" or "https://b.test"',
          found: `the log ${OTHER_ID.toString('hex')}`,
          hint: expect.stringContaining('older'),
        }),
      )
    expect(() => checked([entryOf(), strange], trusting({}, { logId: { keyId: OTHER_ID } }))).not.toThrow()
    expect(() => checked([entryOf()], trusting())).toThrow(refusal('LOG_UNTRUSTED', { expected: '' }))
  })

  test('are in the log whose key signs its checkpoints, if the trusted root names it separately', () => {
    const trust = trusting({ logId: { keyId: OTHER_ID }, checkpointKeyId: { keyId: ID } })
    expect(() => checked([entryOf()], trust)).not.toThrow()
    expect(() => checked([entryOf({ logId: { keyId: OTHER_ID } })], trust)).toThrow(refusal('LOG_UNTRUSTED'))
    const nameless = { root: { tlogs: [{ baseUrl: 'https://rekor.test' }] } } as unknown as SigstoreTrust
    expect(() => checked([entryOf()], nameless)).toThrow(refusal('LOG_UNTRUSTED'))
  })

  test.each(['dsse 0.0.1', 'dsse 0.0.2', 'intoto 0.0.2', 'hashedrekord 0.0.1', 'hashedrekord 0.0.2'])(
    'may be of the kind %s',
    (words) => {
      const [kind, version] = words.split(' ')
      expect(() => checked([entryOf({ kindVersion: { kind, version } })])).not.toThrow()
    },
  )

  test.each([
    ['rpm', '0.0.1'],
    ['intoto', '0.0.1'],
    ['dsse', '0.0.3'],
    ['', ''],
  ])('are not of the kind "%s" "%s"', (kind, version) => {
    expect(() => checked([entryOf(), entryOf({ kindVersion: { kind, version } })])).toThrow(
      refusal('LOG_ENTRY_MISMATCH', {
        file: PATH,
        expected:
          'dsse 0.0.1, dsse 0.0.2, intoto 0.0.2, hashedrekord 0.0.1, hashedrekord 0.0.2, of at most 131072 bytes',
        found: `"${kind} ${version}", of 2 bytes`,
      }),
    )
  })

  test('have at most 128 KiB', () => {
    const sized = (size: number) => entryOf({ canonicalizedBody: Buffer.alloc(size) })
    expect(() => checked([sized(131_072)])).not.toThrow()
    expect(() => checked([sized(131_073)])).toThrow(
      refusal('LOG_ENTRY_MISMATCH', { found: '"dsse 0.0.1", of 131073 bytes' }),
    )
  })
})

describe('the key of a log', () => {
  const within = new Date('2024-06-01T00:00:00Z')
  const [before, after] = [new Date(start.getTime() - 1), new Date(end.getTime() + 1)]
  const checked = (entry: Entry, at: readonly Date[], trust = trusting({})) => checkEntries([entry], trust, at, PATH)

  test('must be valid at all times that the bundle states', () => {
    for (const at of [[], [start], [within], [start, within, end]]) expect(() => checked(entryOf(), at)).not.toThrow()
    for (const at of [[before], [after], [within, after], [before, within]])
      expect(() => checked(entryOf(), at)).toThrow(
        refusal('LOG_UNTRUSTED', {
          file: PATH,
          expected: `a time from ${start.toISOString()} to ${end.toISOString()}`,
          found: at.map((one) => one.toISOString()).join(', '),
          hint: expect.stringContaining('retired key'),
        }),
      )
  })

  test('must be valid in one of several periods', () => {
    const keys = [{ publicKey: { validFor: { start: end } } }, {}, { publicKey: {} }, { publicKey: undefined }] as Log[]
    expect(() => checked(entryOf(), [within], trusting(...keys))).not.toThrow()
    expect(() => checked(entryOf(), [after], trusting(...keys))).not.toThrow()
    const endless = trusting({ publicKey: { validFor: { end } } })
    expect(() => checked(entryOf(), [before], endless)).toThrow(
      refusal('LOG_UNTRUSTED', { expected: `a time from an unknown start to ${end.toISOString()}` }),
    )
    const open = `a time from ${end.toISOString()} to now`
    const none = 'a time from an unknown start to now'
    expect(() => checked(entryOf(), [before], trusting(...keys))).toThrow(
      refusal('LOG_UNTRUSTED', {
        expected: [open, `a time from ${start.toISOString()} to ${end.toISOString()}`, none, none].join(' or '),
      }),
    )
  })

  test('is that of the log that signed the checkpoint, which must be valid', () => {
    const logs = trusting({ baseUrl: 'https://other.test' }, { publicKey: { validFor: { start: end } } })
    expect(() => checked(entryOf(), [end], logs)).not.toThrow()
    expect(() => checked(entryOf(), [within], logs)).toThrow(
      refusal('LOG_INCLUSION_INVALID', { file: PATH, expected: '"other.test"', found: '"rekor.test"' }),
    )
  })

  test('is checked for each entry', () => {
    const forged = entryOf({ logIndex: '4' })
    expect(() => checkEntries([entryOf(), forged], trusting({}), [], PATH)).toThrow(refusal('LOG_INCLUSION_INVALID'))
    expect(() => checkEntries([], trusting({}), [], PATH)).not.toThrow()
  })
})

describe('the log entry of a verdict', () => {
  test('is the first', () => {
    const trust = trusting({}, { baseUrl: 'https://b.test' })
    expect(logEntryOf([entryOf(), entryOf({ logIndex: '4' })], trust)).toEqual({ log: 'https://rekor.test', index: 3 })
    expect(logEntryOf([entryOf()], trusting())).toEqual({ log: ID.toString('hex'), index: 3 })
  })

  test('is absent if there is none, or its index is not exact', () => {
    expect(logEntryOf([], trusting({}))).toBeUndefined()
    expect(logEntryOf([entryOf({ logIndex: '9007199254740991' })], trusting({}))?.index).toBe(9_007_199_254_740_991)
    expect(logEntryOf([entryOf({ logIndex: '9007199254740992' })], trusting({}))).toBeUndefined()
  })
})

describe('the certificate that the log recorded', () => {
  let own: Issued
  let other: Issued
  beforeAll(async () => {
    own = await authority('Signer')
    other = await authority('Signer')
  })

  const pem = (issued: Issued) => Buffer.from(pemOf(issued)).toString('base64')
  const body = (spec: unknown) => Buffer.from(JSON.stringify({ spec }))
  const bodies: [string, (issued: Issued) => Buffer][] = [
    ['hashedrekord 0.0.2', ({ der }) => loggedBody(der)],
    ['dsse 0.0.2', ({ der }) => loggedEnvelope([der])],
    ['dsse 0.0.1', (issued) => body({ signatures: [{ verifier: pem(issued) }] })],
    ['intoto 0.0.2', (issued) => body({ content: { envelope: { signatures: [{ publicKey: pem(issued) }] } } })],
    ['hashedrekord 0.0.1', (issued) => body({ signature: { publicKey: { content: pem(issued) } } })],
  ]
  const mismatch = refusal('LOG_ENTRY_MISMATCH', { file: PATH, hint: expect.stringContaining('modified or forged') })
  const checked = (...logged: Buffer[]) =>
    checkLoggedCertificate(
      logged.map((canonicalizedBody) => entryOf({ canonicalizedBody })),
      own.x509,
      PATH,
    )

  test.each(bodies)('must be that of the bundle, in the kind %s', (_, bodyOf) => {
    expect(() => checked(bodyOf(own))).not.toThrow()
    expect(() => checked(bodyOf(other))).toThrow(mismatch)
  })

  test('must be the same in each entry', () => {
    expect(() => checked(...bodies.map(([, bodyOf]) => bodyOf(own)))).not.toThrow()
    expect(() => checked(loggedBody(own.der), loggedBody(other.der))).toThrow(mismatch)
  })

  test('must be there, and readable', () => {
    const long = { signatures: [{ verifier: pem(own) }], more: Array.from({ length: 1000 }, () => 0) }
    for (const logged of [
      loggedKey(),
      loggedEnvelope([]),
      Buffer.from('junk'),
      Buffer.from('null'),
      body({}),
      body({ signatures: [] }),
      body({ content: { envelope: { signatures: [] } } }),
      body({ signatures: [{ verifier: Buffer.from('junk').toString('base64') }] }),
      body(long),
    ])
      expect(() => checked(logged)).toThrow(mismatch)
    expect(() => checked(body({ ...long, more: long.more.slice(10) }))).not.toThrow()
  })

  test('is not looked up on Object.prototype', () => {
    const signatures = [{ verifier: pem(own) }]
    Object.defineProperty(Object.prototype, 'signatures', { configurable: true, value: signatures })
    try {
      expect(() => checked(body({}))).toThrow(mismatch)
    } finally {
      Reflect.deleteProperty(Object.prototype, 'signatures')
    }
  })
})
