import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ModelSealError } from '../errors.ts'
import { signNote, writeNote } from '../merkle/signed-note.ts'
import { authority, signingLeaf } from '../testing/authority.ts'
import { attackRuns } from '../testing/runs.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { serving } from '../testing/serving.ts'
import { ISSUER, TestSigstore } from '../testing/sigstore.ts'
import { bundleOf, loggedBody, loggedEnvelope, loggedKey, TestLog, type LogAnswer } from '../testing/test-log.ts'
import { monitorLog, type MonitorOptions } from './monitor-log.ts'
import { saveCheckpoint } from './saved-checkpoint.ts'

const OURS = 'https://ci.example/ours'
const THEIRS = 'https://ci.example/theirs'

const instance = new TestSigstore()
let ours: Buffer
let theirs: Buffer
beforeAll(async () => {
  const issued = (identity: string) =>
    instance.certificate(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, { identity })
  ours = await issued(OURS)
  theirs = await issued(THEIRS)
})

/** A log with as many entries of others, served, and how to monitor it. */
async function monitored(size: number, type?: 'ed25519' | 'ec') {
  const log = new TestLog(type)
  log.entries = Array.from({ length: size }, (_, index) => loggedBody(theirs, Buffer.alloc(32, index)))
  const url = await serving(log.answer)
  const directory = scratch({ 'root.json': await rootWith(log.trusted(url)) })
  const file = join(directory, 'log.checkpoint')
  const options = { identities: [OURS], trustRoot: { file: join(directory, 'root.json') } }
  const run = (more: Partial<MonitorOptions> = {}) => monitorLog({ ...options, ...more })
  /** Starts from the checkpoint of the first entries. */
  const since = (from: number, more: Partial<MonitorOptions> = {}) => {
    writeFileSync(file, log.checkpoint(from))
    return run({ since: file, ...more })
  }
  return { log, url, directory, file, run, since }
}

async function rootWith(...tlogs: object[]): Promise<string> {
  return JSON.stringify({ ...(await instance.root()), tlogs })
}

test.each(['ed25519', 'ec'] as const)(
  'reports what the identity added since the checkpoint, with a key %s',
  async (type) => {
    const { log, url, since } = await monitored(5, type)
    log.entries[1] = loggedBody(ours)
    log.entries.push(loggedBody(ours, Buffer.alloc(32, 9)), loggedKey(), loggedEnvelope([theirs, ours]))
    expect(await since(3)).toEqual({
      log: url,
      since: { size: 3, root: expect.any(Buffer) as Buffer },
      checkpoint: {
        origin: '127.0.0.1',
        size: 8,
        root: expect.any(Buffer) as Buffer,
        note: expect.stringContaining(log.checkpoint().split('\u2014')[0]!) as string,
      },
      isFirstRun: false,
      entries: 5,
      matches: 2,
      found: [
        {
          index: 5,
          kind: 'hashedrekord',
          digest: { algorithm: 'SHA2_256', hex: '09'.repeat(32) },
          identity: OURS,
          issuer: ISSUER,
          certificate: {
            sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
            notBefore: instance.at.toISOString(),
            notAfter: new Date(instance.at.getTime() + 600_000).toISOString(),
          },
          issued: true,
        },
        expect.objectContaining({
          index: 7,
          kind: 'dsse',
          identity: OURS,
          digest: { algorithm: 'SHA2_256', hex: '02'.repeat(32) },
        }),
      ],
      unreadable: 0,
      unreadableAt: [],
      otherLogs: [],
    })
  },
)

describe('the first run', () => {
  test('reads no entries, and the next one starts where it ended', async () => {
    const { log, file, run } = await monitored(300)
    log.entries.push(loggedBody(ours))
    const first = await run({ checkpoint: file })
    expect(first).toMatchObject({ isFirstRun: true, entries: 0, found: [], since: { size: 301 } })
    expect(log.asked.filter((path) => path.includes('entries'))).toEqual([])
    expect(existsSync(file)).toBe(false)

    await saveCheckpoint(file, first.checkpoint)
    expect(readFileSync(file, 'utf8')).toBe(log.checkpoint())
    expect(await run({ checkpoint: file })).toMatchObject({ isFirstRun: false, entries: 0, found: [] })
    log.entries.push(loggedBody(ours))
    const next = await run({ checkpoint: file })
    expect(next).toMatchObject({ entries: 1, found: [{ index: 301 }] })
    await saveCheckpoint(file, next.checkpoint)
    expect(await run({ checkpoint: file })).toMatchObject({ entries: 0, found: [] })
  })

  test('can read the whole log', async () => {
    const { log, run } = await monitored(300)
    log.entries[0] = loggedBody(ours)
    expect(await run({ fromStart: true })).toMatchObject({ isFirstRun: false, entries: 300, found: [{ index: 0 }] })
  })

  test('can be of an empty log', async () => {
    const { log, file, run, since } = await monitored(0)
    expect(await run()).toMatchObject({ entries: 0, checkpoint: { size: 0 } })
    log.entries.push(loggedBody(ours))
    expect(await since(0)).toMatchObject({ entries: 1, found: [{ index: 0 }] })
    expect(existsSync(file)).toBe(true)
  })

  test('is refused if the log does not serve the tree that it signed', async () => {
    const { log, run } = await monitored(300)
    log.changed = (path, answer) => (path.startsWith('tile/0/') ? { body: Buffer.alloc(32 * 44) } : answer)
    await expect(run()).rejects.toEqual(refusal('LOG_INCONSISTENT'))
  })
})

test('every entry is read once, whatever the sizes', async () => {
  const { log, since } = await monitored(0)
  const [mine, other] = [loggedBody(ours), loggedKey()]
  const all = Array.from({ length: 800 }, (_, index) => (index % 47 === 3 ? mine : other))
  const size = fc.oneof(fc.integer({ min: 0, max: 800 }), fc.constantFrom(0, 1, 255, 256, 257, 511, 512, 513, 768))
  await fc.assert(
    fc.asyncProperty(size, size, async (one, other) => {
      const [from, to] = [Math.min(one, other), Math.max(one, other)]
      log.entries = all.slice(0, to)
      const { entries, found } = await since(from)
      expect(entries).toBe(to - from)
      const expected = Array.from({ length: to - from }, (_, at) => from + at).filter((index) => index % 47 === 3)
      expect(found.map(({ index }) => index)).toEqual(expected)
    }),
    { numRuns: attackRuns(20) },
  )
}, 60_000)

test('a tree with three levels of tiles is verified', async () => {
  const { log, since } = await monitored(0)
  const key = loggedKey()
  log.entries = Array.from({ length: 66_100 }, () => key)
  log.entries[66_050] = loggedBody(ours)
  expect(await since(66_000)).toMatchObject({ entries: 100, found: [{ index: 66_050 }] })
  expect(log.asked).toContain('tile/2/000.p/1')
  expect(log.asked).toContain('tile/entries/258.p/52')
}, 60_000)

test('a log that has grown meanwhile may serve only complete tiles', async () => {
  const { log, since } = await monitored(200)
  log.entries.push(...Array.from({ length: 56 }, () => loggedBody(ours)))
  log.size = 210
  log.changed = (path, answer) => (path.includes('.p/') ? undefined : answer)
  expect(await since(205)).toMatchObject({ entries: 5, matches: 5 })
  expect(log.asked).toEqual([
    'checkpoint',
    'tile/0/000.p/210',
    'tile/0/000',
    'tile/entries/000.p/210',
    'tile/entries/000',
  ])
})

describe('a log that lies is refused', () => {
  test('if it has fewer entries than before', async () => {
    const { log, since } = await monitored(300)
    log.size = 290
    await expect(since(300)).rejects.toEqual(refusal('LOG_ROLLBACK', { expected: 'at least 300', found: '290' }))
  })

  test('if an earlier entry was changed', async () => {
    const { log, file, run } = await monitored(300)
    writeFileSync(file, log.checkpoint(280))
    log.entries[7] = loggedBody(ours)
    await expect(run({ since: file })).rejects.toEqual(refusal('LOG_INCONSISTENT'))
    expect(readFileSync(file, 'utf8')).not.toBe(log.checkpoint(280))
  })

  test('if it signed two trees of the same size', async () => {
    const { log, file, run } = await monitored(300)
    writeFileSync(file, log.checkpoint())
    log.entries[299] = loggedBody(ours)
    await expect(run({ since: file })).rejects.toEqual(refusal('LOG_INCONSISTENT'))
  })

  test.each<[string, (entries: Buffer[]) => Buffer[]]>([
    ['hides an entry behind another', (entries) => entries.with(20, loggedBody(theirs))],
    ['shows an entry that it did not sign', (entries) => entries.with(21, loggedBody(ours))],
    ['swaps two entries', (entries) => entries.with(20, entries[21]!).with(21, entries[20]!)],
  ])('if it %s', async (_, change) => {
    const { log, since } = await monitored(44)
    log.entries[20] = loggedBody(ours)
    log.changed = (path, answer) => (path.includes('entries') ? { body: bundleOf(change(log.entries)) } : answer)
    await expect(since(10)).rejects.toEqual(refusal('LOG_INCONSISTENT'))
  })

  test('if any bit of what is read is changed', async () => {
    const { log, since } = await monitored(300)
    const earlier = bundleOf(log.entries.slice(256, 264)).length
    const part = fc.constantFrom(
      { name: 'tile/1/000', from: 0, to: 32 },
      { name: 'tile/0/001', from: 0, to: 8 * 32 },
      { name: 'tile/entries/001', from: earlier, to: bundleOf(log.entries.slice(256)).length },
    )
    await fc.assert(
      fc.asyncProperty(part, fc.nat(), async ({ name, from, to }, at) => {
        log.changed = (path, answer) => {
          if (!path.startsWith(name)) return answer
          const body = Buffer.from(answer?.body as Buffer)
          body[from + (at % (to - from))]! ^= 1 << (at % 8)
          return { body }
        }
        const refused = await since(264).catch((error: unknown) => error)
        expect(['LOG_INCONSISTENT', 'SERVICE_REFUSED']).toContain((refused as ModelSealError).code)
      }),
      { numRuns: attackRuns(20) },
    )
  })
})

describe('a checkpoint is refused', () => {
  test.each<[string, (log: TestLog) => string]>([
    ['of another log', (log) => ((log.origin = 'other.example'), log.checkpoint())],
    ['signed by another key', (log) => Object.assign(new TestLog(), { entries: log.entries }).checkpoint()],
    ['with a changed size', (log) => log.checkpoint().replace('\n5\n', '\n4\n')],
    ['without a signature', (log) => log.checkpoint().replace(/\n\n.*/s, '\n\n')],
    ['that is HTML', () => '<html></html>'],
    ['that is empty', () => ''],
  ])('%s', async (_, make) => {
    const { log, file, run } = await monitored(5)
    const [good, bad] = [log.checkpoint(), make(log)]
    log.changed = (path, answer) => (path === 'checkpoint' ? { body: bad } : answer)
    await expect(run()).rejects.toEqual(refusal('LOG_CHECKPOINT_INVALID', { file: undefined }))
    log.changed = (path, answer) => (path === 'checkpoint' ? { body: good } : answer)
    writeFileSync(file, bad)
    await expect(run({ since: file })).rejects.toEqual(refusal('LOG_CHECKPOINT_INVALID', { file }))
    await expect(run({ checkpoint: file })).rejects.toEqual(refusal('LOG_CHECKPOINT_INVALID', { file }))
    expect(readFileSync(file, 'utf8')).toBe(bad)
  })

  test('but not because witnesses have signed it as well', async () => {
    const { log, run } = await monitored(5)
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const note = log.checkpoint()
    const text = note.slice(0, note.indexOf('\n\n') + 1)
    const line = writeNote({ text: '', signatures: [signNote(text, 'witness.example', privateKey, publicKey)] }).slice(
      1,
    )
    log.changed = (path, answer) => (path === 'checkpoint' ? { body: note + line } : answer)
    expect(await run()).toMatchObject({ checkpoint: { size: 5, note: note + line } })
  })

  test('that does not exist, unless this may be the first run', async () => {
    const { file, run } = await monitored(5)
    await expect(run({ since: file })).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    expect(await run({ checkpoint: file })).toMatchObject({ isFirstRun: true })
  })
})

describe('an answer is refused', () => {
  const cut = (answer: LogAnswer | undefined) => ({ body: (answer?.body as Buffer).subarray(0, -1) })
  const longer = (answer: LogAnswer | undefined) => ({ body: Buffer.concat([answer?.body as Buffer, Buffer.alloc(2)]) })

  test.each<[string, string, (answer: LogAnswer | undefined) => LogAnswer | undefined]>([
    ['a truncated tile', 'tile/0/', cut],
    ['a tile that is too long', 'tile/0/', longer],
    ['an empty tile', 'tile/0/', () => ({})],
    ['a truncated bundle', 'tile/entries/', cut],
    ['a bundle that is too long', 'tile/entries/', longer],
    ['an empty bundle', 'tile/entries/', () => ({})],
    ['a missing bundle', 'tile/entries/', () => undefined],
    ['a bundle that is forbidden', 'tile/entries/', () => ({ status: 403 })],
    ['an endless tile', 'tile/0/', () => ({ body: Buffer.alloc(1024 * 1024) })],
    ['an endless bundle', 'tile/entries/', () => ({ body: Buffer.alloc(17 * 1024 * 1024) })],
    ['an endless checkpoint', 'checkpoint', () => ({ body: Buffer.alloc(1024 * 1024) })],
    ['a missing checkpoint', 'checkpoint', () => undefined],
  ])('%s', async (_, part, change) => {
    const { log, since } = await monitored(300)
    log.changed = (path, answer) => (path.startsWith(part) ? change(answer) : answer)
    await expect(since(257)).rejects.toEqual(refusal('SERVICE_REFUSED'))
  })

  test('that redirects elsewhere', async () => {
    const { log, url, since } = await monitored(5)
    const other = await monitored(5)
    log.changed = (path, answer) =>
      path === 'checkpoint' ? { status: 302, headers: { location: `${other.url}/api/v2/checkpoint` } } : answer
    await expect(since(3)).rejects.toEqual(refusal('SERVICE_UNREACHABLE'))
    expect(other.log.asked).toEqual([])
    expect(url).not.toBe(other.url)
  })

  test('that never ends, within the timeout', async () => {
    const { log, since } = await monitored(5)
    log.changed = (path, answer) => (path.includes('entries') ? new Promise(() => {}) : answer)
    await expect(since(3, { timeoutMs: 100 })).rejects.toEqual(
      refusal('SERVICE_UNREACHABLE', { found: '"no answer within 0.1 s"' }),
    )
  })

  test('only if errors of the server persist', async () => {
    const { log, since } = await monitored(5)
    let errors = 0
    log.changed = (_, answer) => (errors++ % 3 < 2 ? { status: 503 } : answer)
    expect(await since(3)).toMatchObject({ entries: 2 })
    log.changed = () => ({ status: 500 })
    log.asked.length = 0
    await expect(since(3)).rejects.toEqual(refusal('SERVICE_REFUSED', { found: '"HTTP status 500"' }))
    expect(log.asked).toHaveLength(4)
  }, 30_000)

  test('when the caller aborts', async () => {
    const { log, since } = await monitored(5)
    const controller = new AbortController()
    log.changed = (path, answer) => {
      if (path.includes('entries')) controller.abort()
      return answer
    }
    await expect(since(3, { signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('an entry', () => {
  const json = (body: Buffer) => JSON.parse(body.toString()) as { spec: { hashedRekordV002: Record<string, never> } }

  test.each<[string, () => Buffer | Promise<Buffer>]>([
    ['that is empty', () => Buffer.alloc(0)],
    ['that is not JSON', () => Buffer.from('x')],
    ['of an unknown kind', () => Buffer.from(loggedBody(ours).toString().replace('"hashedrekord"', '"other"'))],
    ['of an unknown version', () => Buffer.from(loggedBody(ours).toString().replace('0.0.2', '0.0.3'))],
    [
      'with two specifications',
      () => Buffer.from(JSON.stringify({ ...json(loggedBody(ours)), spec: { a: 1, ...json(loggedBody(ours)).spec } })),
    ],
    ['with a certificate that does not parse', () => loggedBody(Buffer.from('certificate'))],
    ['with a certificate that is cut', () => loggedBody(ours.subarray(0, -1))],
    ['with neither certificate nor key', () => Buffer.from(loggedKey().toString().replace('publicKey', 'another'))],
    [
      'with a certificate that is not base64',
      () => Buffer.from(loggedBody(ours).toString().replace('"rawBytes":"', '"rawBytes":"*')),
    ],
    ['with a name that cannot be read', async () => loggedBody((await unnamed([[6, 'https://a\0b']])).der)],
    [
      'with a time that cannot be read',
      () => loggedBody(Buffer.from(ours.toString('latin1').replace(/\x17\x0d\d{4}/, '\x17\x0d9999'), 'latin1')),
    ],
    ['with one certificate that cannot be read', () => loggedEnvelope([theirs, Buffer.from('x')])],
  ])('%s is counted, because it could have the identity', async (_, make) => {
    const { log, since } = await monitored(3)
    log.entries.push(await make(), loggedBody(ours))
    expect(await since(2)).toMatchObject({ entries: 3, unreadable: 1, unreadableAt: [3], found: [{ index: 4 }] })
  })

  const unnamed = async (names: [6 | 1 | 2, string][]) => signingLeaf(await authority('Unknown'), { names })

  test('with a certificate by somebody else is reported as such', async () => {
    const { log, since } = await monitored(3)
    log.entries.push(
      loggedBody((await unnamed([[6, OURS]])).der),
      loggedBody((await unnamed([[1, 'a@b.example']])).der),
    )
    log.entries.push(
      loggedBody(
        (
          await unnamed([
            [2, 'a.example'],
            [6, OURS],
          ])
        ).der,
      ),
    )
    const { found, unreadable } = await since(3, { issuer: ISSUER })
    expect(found).toMatchObject([
      { index: 3, identity: OURS, issued: false },
      { index: 5, identity: OURS, issued: false },
    ])
    expect(found[0]?.issuer).toBeUndefined()
    expect(unreadable).toBe(0)
  })

  test('is reported even if another certificate of it cannot be read', async () => {
    const { log, since } = await monitored(3)
    log.entries.push(loggedEnvelope([Buffer.from('x'), ours]))
    expect(await since(3)).toMatchObject({ unreadable: 0, found: [{ index: 3, identity: OURS }] })
  })

  test.each<[string, Partial<MonitorOptions>, number[]]>([
    ['a part of the identity', { identities: ['https://ci.example/our'] }, []],
    ['the identity in capitals', { identities: [OURS.toUpperCase()] }, []],
    ['a glob', { identities: [{ pattern: 'https://ci.example/*' }] }, [3, 4]],
    ['a glob of a part', { identities: [{ pattern: 'ci.example/*' }] }, []],
    ['a regular expression', { identities: [{ regexp: 'https://.*/(ours|x)' }] }, [4]],
    ['several identities', { identities: ['x', THEIRS, OURS] }, [3, 4]],
    ['another issuer', { issuer: 'https://accounts.example' }, []],
    ['the issuer', { issuer: ISSUER }, [4]],
    ['a glob of issuers', { issuer: { pattern: 'https://token.actions.*' } }, [4]],
  ])('is found by %s, as in a policy', async (_, options, indices) => {
    const { log, since } = await monitored(4)
    log.entries.push(loggedBody(ours))
    expect((await since(3, options)).found.map(({ index }) => index)).toEqual(indices)
  })
})

describe('the log', () => {
  const file = async (...tlogs: object[]) => join(scratch({ 'root.json': await rootWith(...tlogs) }), 'root.json')

  test('is chosen by its URL if the trusted root names several', async () => {
    const { log, url, run } = await monitored(3)
    const other = new TestLog()
    const trustRoot = {
      file: await file(
        log.trusted(`${url}/`),
        other.trusted('https://log.example'),
        other.trusted('https://rekor.sigstore.dev'),
      ),
    }
    await expect(run({ trustRoot })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    const { log: read, otherLogs } = await run({ trustRoot, log: url })
    expect([read, otherLogs]).toEqual([url, ['https://log.example', 'https://rekor.sigstore.dev']])
    await expect(run({ trustRoot, log: 'https://unknown.example' })).rejects.toEqual(refusal('LOG_UNTRUSTED'))
  })

  test('is the only one of Rekor v2', async () => {
    const { log, url, run } = await monitored(3)
    const old = new TestLog().trusted('https://rekor.sigstore.dev')
    expect(await run({ trustRoot: { file: await file(old, log.trusted(url)) } })).toMatchObject({
      log: url,
      otherLogs: ['https://rekor.sigstore.dev'],
    })
    await expect(run({ trustRoot: { file: await file(old) } })).rejects.toEqual(refusal('LOG_UNTRUSTED'))
    const chosen = { trustRoot: { file: await file(old, log.trusted(url)) }, log: 'https://rekor.sigstore.dev' }
    await expect(run(chosen)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('must have a key that is valid now', async () => {
    const { log, url, run } = await monitored(3)
    const validFor = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' }
    const trustRoot = { file: await file(log.trusted(url, validFor)) }
    await expect(run({ trustRoot })).rejects.toEqual(refusal('LOG_UNTRUSTED'))
    await expect(run({ trustRoot, log: url })).rejects.toEqual(refusal('LOG_UNTRUSTED'))
  })
})

test.each<[string, object]>([
  ['no identities', { identities: [] }],
  ['an empty identity', { identities: [''] }],
  ['an invalid glob', { identities: [{ pattern: '[' }] }],
  ['an invalid regular expression', { identities: [{ regexp: '(' }] }],
  ['an invalid issuer', { issuer: { other: 'x' } }],
  ['two starts', { fromStart: true, since: 'log.checkpoint' }],
  ['an unknown option', { identitys: [OURS] }],
])('%s is refused', async (_, options) => {
  const { run } = await monitored(1)
  await expect(run(options)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('a checkpoint that cannot be written leaves the old one', async () => {
  const { log, directory, file, run } = await monitored(3)
  writeFileSync(file, log.checkpoint(2))
  const { checkpoint } = await run({ checkpoint: file })
  await expect(saveCheckpoint(join(directory, 'none/log.checkpoint'), checkpoint)).rejects.toEqual(
    refusal('FILE_WRITE_FAILED'),
  )
  await expect(saveCheckpoint(file, {} as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  expect(readFileSync(file, 'utf8')).toBe(log.checkpoint(2))
})
