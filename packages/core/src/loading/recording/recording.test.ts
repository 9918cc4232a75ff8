import { createHash } from 'node:crypto'
import { execFileSync, spawn } from 'node:child_process'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LOAD_CHANNEL, publishAdvisory, VERDICT_CHANNEL, type LoadTrace } from '../../events.ts'
import type { JournalRecord, RecordOf, RecordType } from '../../journal/format/record.ts'
import { Segment } from '../../journal/writing/segments/segment.ts'
import { garbageCollector } from '../../testing/garbage.ts'
import { commitsOf, recordsOf } from '../../testing/journal-reading.ts'
import { TestSite } from '../../testing/site.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import { downloadModel } from '../downloading/download-model.ts'
import { keepRevocable } from '../adapting/revocable.ts'
import { tolerate } from '../operations/tolerate.ts'
import { openJudged } from '../open-judged.ts'
import { openOptions } from '../open-options.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import { judgeMemory } from '../operations/judge-memory.ts'
import { judgeModel } from '../operations/judge-model.ts'
import type { JudgedMemory } from '../operations/judged-memory.ts'
import type { ToleratedModel } from '../operations/tolerated-model.ts'
import type { Verdict } from '../../results.ts'
import { enableJournal } from './enable-journal.ts'

let site: TestSite
let fingerprint: string
let rootDigest: string
let journals = 0

beforeAll(async () => {
  site = await TestSite.make()
  fingerprint = await site.key('a')
  rootDigest = await site.signedModel('model')
  await site.model('unsigned')
})
afterAll(() => site.remove())

const RULE = { name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }

/** A policy with a journal of its own. */
async function journaled(journal: Record<string, unknown> = {}, rules: object[] = [RULE], more: object = {}) {
  const name = `journal-${++journals}`
  const policy = await site.policy(
    {
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules,
      journal: { directory: name, durability: 'each', service: 'recognizer', ...journal },
      ...more,
    },
    `${name}.yaml`,
  )
  return { policy, directory: site.file(name), records: () => recordsOf(site.file(name)) }
}

function ofType<Type extends RecordType>(records: readonly JournalRecord[], type: Type): RecordOf<Type>[] {
  return records.flatMap((record) => (record.type === type ? [record as RecordOf<Type>] : []))
}

async function digestOf(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

const soon = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 20 })

describe('a load by a policy with a journal', () => {
  test('is recorded before the model is handed out, with its files, and so is its end', async () => {
    const { policy, records, directory } = await journaled()
    const model = await openVerifiedModel(site.file('model'), { policy })
    const [segment, used, files, load] = records()
    expect(segment).toMatchObject({ type: 'segment', service: 'recognizer' })
    expect(files).toMatchObject({ type: 'model', rootDigest, part: 1, parts: 1, algorithm: 'sha256' })
    expect(files?.type === 'model' && files.files.map(([name]) => name)).toEqual(['config.json', 'weights.bin'])
    const digest = await digestOf(policy)
    expect(used).toMatchObject({ type: 'policy', path: policy, digest })
    expect(load).toMatchObject({
      type: 'load',
      decision: 'accepted',
      rule: 'r',
      mode: 'enforce',
      rootDigest,
      model: { path: site.file('model') },
      policy: { path: policy, digest },
      signers: [{ method: 'key', fingerprint, name: 'a', counted: true }],
      claims: [],
      hashed: 'files',
    })
    await model.close()
    await soon(() => expect(ofType(records(), 'end')).toMatchObject([{ load: 3, why: 'closed' }]))
    // The files are described once.
    await (await openVerifiedModel(site.file('model'), { policy })).close()
    expect(records().map(({ type }) => type)).toEqual(
      ['segment', 'policy', 'model', 'load', 'end', 'load', expect.anything()].slice(0, records().length),
    )
    await soon(() => expect(commitsOf(directory).length).toBeGreaterThan(0))
  })

  test('that is refused, tolerated or skipped is recorded', async () => {
    const audit = { ...RULE, name: 'audit', mode: 'audit', reason: 'a test', match: { path: 'unsigned/**' } }
    const { policy, records } = await journaled()
    await expect(openVerifiedModel(site.file('unsigned'), { policy })).rejects.toMatchObject({
      code: 'BUNDLE_NOT_FOUND',
    })
    expect(ofType(records(), 'load')).toMatchObject([{ decision: 'refused', code: 'BUNDLE_NOT_FOUND', signers: [] }])
    const other = await journaled({}, [
      audit,
      { name: 'skip', mode: 'skip', reason: 'a test', match: { path: 'model/**' } },
    ])
    await (await openVerifiedModel(site.file('unsigned'), { policy: other.policy })).close()
    await (await openVerifiedModel(site.file('model'), { policy: other.policy })).close()
    expect(ofType(other.records(), 'load')).toMatchObject([
      { decision: 'tolerated', wouldRefuse: 'BUNDLE_NOT_FOUND', mode: 'audit' },
      { decision: 'skipped', mode: 'skip' },
    ])
  })

  test('and refused or tolerated is recorded before a listener may end the process', async () => {
    const { policy, records } = await journaled()
    const recorded: number[] = []
    const hear = () => void recorded.push(ofType(records(), 'load').length)
    subscribe(VERDICT_CHANNEL, hear)
    onTestFinished(() => void unsubscribe(VERDICT_CHANNEL, hear))
    await openVerifiedModel(site.file('unsigned'), { policy }).catch(() => {})
    const refused = await judgeMemory(Buffer.from('x'), { policy }).catch((error: unknown) => error)
    await tolerate(refused, { path: 'memory:' })
    expect(recorded).toEqual([1, 2, 3])
  })

  test('by judgeModel, from memory, and of a refused model all the same', async () => {
    const memory = { name: 'm', match: { memory: 'any' }, mode: 'skip', reason: 'a test' }
    const { policy, records } = await journaled({}, [memory, RULE])
    expect((await judgeModel(site.file('model'), { policy })).decision).toBe('accepted')
    await judgeMemory(Buffer.from('x'), { policy })
    const refused = await openVerifiedModel(site.file('unsigned'), { policy }).catch((error: unknown) => error)
    await tolerate(refused, { path: site.file('unsigned') })
    await soon(() =>
      expect(ofType(records(), 'load').map(({ decision }) => decision)).toEqual([
        'accepted',
        'skipped',
        'refused',
        'tolerated',
      ]),
    )
    expect(ofType(records(), 'load')[1]?.model.path).toMatch(/^memory:sha256:/)
  })

  test('is traced with its verdict only once it is recorded', async () => {
    const { policy, records } = await journaled({}, [{ ...RULE, match: { path: 'model/**' } }])
    const traced: string[] = []
    const see = (event: string) => (message: unknown) => {
      const { verdict } = message as LoadTrace
      if (verdict) traced.push(`${event} ${verdict.decision} ${ofType(records(), 'load').length}`)
    }
    const listeners = Object.fromEntries(
      ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) => [event, see(event)]),
    )
    const channel = tracingChannel<object, LoadTrace>(LOAD_CHANNEL)
    channel.subscribe(listeners as never)
    onTestFinished(() => channel.unsubscribe(listeners as never))
    await (await openVerifiedModel(site.file('model'), { policy })).close()
    await openVerifiedModel(site.file('unsigned'), { policy }).catch(() => {})
    await judgeMemory(Buffer.from('x'), { policy }).catch(() => {})
    expect(traced).toEqual([
      'asyncStart accepted 1',
      'asyncEnd accepted 1',
      ...[2, 3].flatMap((count) => ['error', 'asyncStart', 'asyncEnd'].map((event) => `${event} refused ${count}`)),
    ])
  })

  test('by several policies is recorded by each in its own journal', async () => {
    const [first, second] = [await journaled(), await journaled()]
    const request = { source: site.file('model'), options: openOptions({}), gather: () => Promise.resolve(undefined) }
    const model = await openJudged(request, [{ policy: first.policy }, { policy: second.policy, by: 'guard' }])
    await model.close()
    await soon(() => expect(ofType(second.records(), 'end')).toHaveLength(1))
    expect(ofType(first.records(), 'load')).toMatchObject([{ decision: 'accepted' }])
    expect(ofType(second.records(), 'load')).toMatchObject([{ decision: 'accepted', by: 'guard' }])
  })

  test('is recorded in the journals of included policies too, and once in each', async () => {
    await site.policy({ version: 1, journal: { directory: 'organisation', durability: 'each' } }, 'included.yaml')
    const { policy, records } = await journaled({}, [RULE], { include: ['included.yaml'] })
    await (await openVerifiedModel(site.file('model'), { policy })).close()
    expect(ofType(records(), 'load')).toHaveLength(1)
    const [load] = ofType(recordsOf(site.file('organisation')), 'load')
    expect(load?.policy?.includes).toEqual([await digestOf(site.file('included.yaml'))])
    const twice = await journaled({ directory: 'organisation' }, [RULE], { include: ['included.yaml'] })
    await (await openVerifiedModel(site.file('model'), { policy: twice.policy })).close()
    expect(ofType(recordsOf(site.file('organisation')), 'load')).toHaveLength(2)
  })

  test('has no secrets, and short paths if the settings say so', async () => {
    const { policy, records } = await journaled({ paths: 'short' })
    const url = 'https://user:pass@models.example/vad?token=secret#x'
    await openVerifiedModel(site.file('unsigned'), { policy, url }).catch(() => {})
    const [load] = ofType(records(), 'load')
    expect(load?.model.path).toMatch(/^unsigned \([0-9a-f]{8}\)$/)
    expect(load?.model.url).toBe('https://models.example/vad')
    expect(JSON.stringify(records())).not.toMatch(/pass|secret/)
  })
})

test('a thousand loads at once are all recorded, and so are their ends', async () => {
  const { policy, directory, records } = await journaled({ durability: 'interval', required: true })
  const opened = await Promise.all(
    Array.from({ length: 1_000 }, () => openVerifiedModel(site.file('model'), { policy })),
  )
  expect(ofType(records(), 'load')).toHaveLength(1_000)
  await Promise.all(opened.map((model) => model.close()))
  await vi.waitFor(() => expect(ofType(records(), 'end')).toHaveLength(1_000), { timeout: 10_000, interval: 200 })
  expect(new Set(ofType(records(), 'end').map(({ load }) => load)).size).toBe(1_000)
  expect([ofType(records(), 'model').length, ofType(records(), 'lost').length]).toEqual([1, 0])
  await soon(() => expect(commitsOf(directory).length).toBeGreaterThan(0))
}, 60_000)

test('another version of a feed is recorded, and a failure to look for one is not', async () => {
  const { policy, records } = await journaled()
  await (await openVerifiedModel(site.file('model'), { policy })).close()
  const source = 'https://user:pass@feeds.example/advisories?token=secret'
  publishAdvisory({ source, feed: 'ours', error: { code: 'FILE_NOT_FOUND', message: 'x' } as never })
  publishAdvisory({ source, feed: 'ours', sequence: 7, digest: fingerprint })
  await soon(() =>
    expect(ofType(records(), 'advisory')).toMatchObject([
      { source: 'https://feeds.example/advisories', feed: 'ours', sequence: 7, digest: fingerprint },
    ]),
  )
})

describe('a version of a policy is recorded', () => {
  const versions = (records: readonly JournalRecord[]) =>
    records.flatMap((record) =>
      record.type === 'policy' || record.type === 'load' ? [record.type === 'load' ? 'load' : record.digest] : [],
    )

  test('before the first load by it, once until another one is used', async () => {
    const { policy, records } = await journaled()
    const load = async () => (await openVerifiedModel(site.file('model'), { policy })).close()
    const first = await digestOf(policy)
    await load()
    await load()
    const text = await readFile(policy, 'utf8')
    await site.write(basename(policy), `${text}\n`)
    const second = await digestOf(policy)
    await load()
    await openVerifiedModel(site.file('unsigned'), { policy }).catch(() => {})
    await site.write(basename(policy), text)
    await load()
    expect(versions(records())).toEqual([first, 'load', 'load', second, 'load', 'load', first, 'load'])
  })

  test('also if only a file that it includes has changed', async () => {
    await site.policy({ version: 1 }, 'shared.yaml')
    const { policy, records } = await journaled({}, [RULE], { include: ['shared.yaml'] })
    const load = async () => (await openVerifiedModel(site.file('model'), { policy })).close()
    const before = await digestOf(site.file('shared.yaml'))
    await load()
    await site.policy({ version: 1, revoked: {} }, 'shared.yaml')
    await load()
    await load()
    const digest = await digestOf(policy)
    expect(ofType(records(), 'policy')).toMatchObject([
      { digest, includes: [before] },
      { digest, includes: [await digestOf(site.file('shared.yaml'))] },
    ])
  })

  test('once for many loads at once, and not again after a reload said so', async () => {
    const { policy: file, records } = await journaled({ durability: 'interval' })
    const policy = await watchPolicy(file)
    const load = async () => (await openVerifiedModel(site.file('model'), { policy })).close()
    await Promise.all(Array.from({ length: 20 }, load))
    await site.write(basename(file), `${await readFile(file, 'utf8')}\n`)
    await policy.current()
    await load()
    await soon(() => expect(ofType(records(), 'end')).toHaveLength(21))
    expect(ofType(records(), 'policy')).toHaveLength(2)
  })

  test('again if the record could not be written', async () => {
    const { policy, records } = await journaled({ required: true, durability: 'interval' })
    const write = vi.spyOn(Segment.prototype, 'write')
    write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    await expect(openVerifiedModel(site.file('model'), { policy })).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    write.mockRestore()
    await (await openVerifiedModel(site.file('model'), { policy })).close()
    const digest = await digestOf(policy)
    await soon(() => expect(ofType(records(), 'policy')).toMatchObject([{ path: policy, digest }]))
  })
})

describe('the end of a load', () => {
  test('of a model that a runtime uses is when it is released, not when the model is closed', async () => {
    const { policy, records } = await journaled()
    const model = await openVerifiedModel(site.file('model'), { policy })
    const session = { release: () => 'released' }
    keepRevocable(model, session, { ends: ['release'], release: (created) => created.release() })
    await model.close()
    await openVerifiedModel(site.file('unsigned'), { policy }).catch(() => {})
    expect(ofType(records(), 'end')).toEqual([])
    expect(session.release()).toBe('released')
    await soon(() => expect(ofType(records(), 'end')).toMatchObject([{ why: 'released' }]))
  })

  describe('of a model that nobody opened', () => {
    const MEMORY = { name: 'm', match: { memory: 'any' }, mode: 'skip', reason: 'a test' }
    const session = () => ({ release: () => 'released' })
    const held = { ends: ['release'], release: () => {} }
    const kinds: [string, (policy: string) => Promise<JudgedMemory | ToleratedModel>][] = [
      ['from memory', (policy) => judgeMemory(Buffer.from('x'), { policy })],
      [
        'tolerated',
        async (policy) =>
          tolerate(await openVerifiedModel(site.file('unsigned'), { policy }).catch((error: unknown) => error), {
            path: site.file('unsigned'),
          }),
      ],
    ]

    test.each(kinds)('%s, is when it is closed or what was created is released', async (_, load) => {
      const { policy, records } = await journaled({}, [MEMORY, RULE])
      ;(await load(policy)).close()
      await soon(() => expect(ofType(records(), 'end')).toMatchObject([{ why: 'closed' }]))
      const [model, created] = [await load(policy), session()]
      keepRevocable(model, created, held)
      model.close()
      await load(policy)
      expect(ofType(records(), 'end')).toHaveLength(1)
      expect(created.release()).toBe('released')
      await soon(() => expect(ofType(records(), 'end').map(({ why }) => why)).toEqual(['closed', 'released']))
    })

    test.each(kinds)('%s, is when nobody has what was created any more, and else the exit', async (_, load) => {
      const { policy, records } = await journaled({}, [MEMORY, RULE])
      await (async () => {
        const model = await load(policy)
        keepRevocable(model, session(), held)
        model.close()
        // It is not known whether a runtime uses this one.
        await load(policy)
      })()
      const gc = garbageCollector()
      await soon(() => {
        gc()
        expect(ofType(records(), 'end')).toMatchObject([{ why: 'collected' }])
      })
      for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve).unref()).then(gc)
      expect(ofType(records(), 'end')).toHaveLength(1)
    })
  })

  test('is when nobody has it any more', async () => {
    const { policy, records } = await journaled()
    await (async () => {
      const model = await openVerifiedModel(site.file('model'), { policy })
      keepRevocable(model, { release: () => {} }, { ends: ['release'], release: () => {} })
      await model.close()
    })()
    const gc = garbageCollector()
    await soon(() => {
      gc()
      expect(ofType(records(), 'end')).toMatchObject([{ why: 'collected' }])
    })
  })

  test('is that of the process, and of each thread', async () => {
    const { policy, directory, records } = await journaled({ durability: 'interval' })
    const entry = pathToFileURL(join(import.meta.dirname, '../open-verified-model.ts')).href
    const script = `
      import { isMainThread, Worker } from 'node:worker_threads'
      import { openVerifiedModel } from ${JSON.stringify(entry)}
      globalThis.kept = await openVerifiedModel(${JSON.stringify(site.file('model'))}, { policy: ${JSON.stringify(policy)} })
      if (isMainThread) new Worker(new URL(import.meta.url), { stdout: true }).on('exit', () => process.exit(3))
    `
    const file = await site.write(`exits-${journals}.mjs`, script)
    expect(() => execFileSync(process.execPath, [file], { stdio: 'pipe' })).toThrow(
      expect.objectContaining({ status: 3 }),
    )
    const types = records().map((record) => (record.type === 'end' ? record.why : record.type))
    expect(types).toEqual([...Array(2)].flatMap(() => ['segment', 'policy', 'model', 'load', 'exit', 'close']))
    expect(commitsOf(directory).filter(({ leaf }) => leaf.end)).toHaveLength(2)
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('is %s, which ends the process as before', async (signal) => {
    const { policy, directory, records } = await journaled({ durability: 'interval' })
    const entry = pathToFileURL(join(import.meta.dirname, '../open-verified-model.ts')).href
    const file = await site.write(
      `waits-${journals}.mjs`,
      `import { openVerifiedModel } from ${JSON.stringify(entry)}
       globalThis.kept = await openVerifiedModel(${JSON.stringify(site.file('model'))}, { policy: ${JSON.stringify(policy)} })
       console.log('loaded')
       setInterval(() => {}, 1_000)`,
    )
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.once('data', () => child.kill(signal))
    expect(await once(child, 'exit')).toEqual([null, signal])
    const types = records().map((record) => (record.type === 'end' ? record.why : record.type))
    expect(types).toEqual(['segment', 'policy', 'model', 'load', 'exit', 'close'])
    expect(commitsOf(directory).at(-1)?.leaf.end).toBe(true)
  })

  test('of a revoked model is recorded with the code of the cause', async () => {
    const { policy: file, records } = await journaled()
    const policy = await watchPolicy(file)
    const model = await openVerifiedModel(site.file('model'), { policy, onRevoked: 'release' })
    const session = { release: vi.fn() }
    keepRevocable(model, session, { ends: ['release'], release: (created) => void created.release() })
    await model.close()
    const text = await readFile(file, 'utf8')
    await site.write(`journal-${journals}.yaml`, `${text}\nrevoked: { rootDigests: ["${rootDigest}"] }\n`)
    await policy.current()
    await soon(() => expect(ofType(records(), 'end')).toMatchObject([{ why: 'revoked', load: 3 }]))
    expect(ofType(records(), 'revoked')).toMatchObject([
      { load: 3, code: expect.stringContaining('REVOKED') as string },
    ])
    expect(ofType(records(), 'policy')).toMatchObject([{ path: file }, { path: file, digest: await digestOf(file) }])
  })
})

describe('a journal that is required', () => {
  test('refuses a load that cannot be recorded, hands nothing out, and says so later', async () => {
    const { policy, records } = await journaled({ required: true, durability: 'interval' })
    await (await openVerifiedModel(site.file('model'), { policy })).close()
    const write = vi.spyOn(Segment.prototype, 'write')
    write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    await expect(openVerifiedModel(site.file('model'), { policy })).rejects.toMatchObject({
      code: 'JOURNAL_FAILED',
      verdict: { decision: 'refused', error: { code: 'JOURNAL_FAILED' } },
    })
    write.mockRestore()
    await soon(() =>
      expect(ofType(records(), 'load').map(({ decision, code }) => code ?? decision)).toEqual([
        'accepted',
        'JOURNAL_FAILED',
      ]),
    )
  })

  test('leaves nothing of a download that cannot be recorded, and of files that a loader got', async () => {
    const { policy } = await journaled({ required: true, durability: 'interval' })
    const target = site.file('downloaded')
    await mkdir(target, { mode: 0o700 })
    const write = vi.spyOn(Segment.prototype, 'write')
    write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    await expect(downloadModel(site.file('model'), target, { policy })).rejects.toMatchObject({
      code: 'JOURNAL_FAILED',
    })
    expect(await readdir(target)).toEqual([])
    let placed = ''
    const place = async (reader: ModelReader) => void (placed = (await reader.place([...reader.files])).directory)
    await expect(openVerifiedModel(site.file('model'), { policy, isolation: 'copy' }, place)).rejects.toMatchObject({
      code: 'JOURNAL_FAILED',
    })
    expect([placed === '', existsSync(placed)]).toEqual([false, false])
    write.mockRestore()
    // The directory can be used again.
    await downloadModel(site.file('model'), target, { policy })
    expect(await readdir(target)).toContain('model.sig')
  })

  test('refuses to let a refused model through, and a model from memory', async () => {
    const memory = { name: 'm', match: { memory: 'any' }, mode: 'skip', reason: 'a test' }
    const { policy, records } = await journaled({ required: true, durability: 'interval' }, [memory, RULE])
    const refused = await openVerifiedModel(site.file('unsigned'), { policy }).catch((error: unknown) => error)
    const published: Verdict[] = []
    const hear = (verdict: unknown) => void published.push(verdict as Verdict)
    subscribe(VERDICT_CHANNEL, hear)
    onTestFinished(() => void unsubscribe(VERDICT_CHANNEL, hear))
    const write = vi.spyOn(Segment.prototype, 'write')
    write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    const failed = { code: 'JOURNAL_FAILED', verdict: { decision: 'refused', error: { code: 'JOURNAL_FAILED' } } }
    await expect(tolerate(refused, { path: site.file('unsigned') })).rejects.toMatchObject(failed)
    await expect(judgeMemory(Buffer.from('x'), { policy })).rejects.toMatchObject(failed)
    write.mockRestore()
    expect(published.map(({ decision }) => decision)).toEqual(['refused', 'refused'])
    await soon(() =>
      expect(ofType(records(), 'load').map(({ code }) => code)).toEqual([
        'BUNDLE_NOT_FOUND',
        'JOURNAL_FAILED',
        'JOURNAL_FAILED',
      ]),
    )
  })

  test('refuses every load if its directory is open to others; one that is not required does not', async () => {
    const { policy, directory } = await journaled({ required: true })
    await mkdir(directory)
    await chmod(directory, 0o777)
    await expect(openVerifiedModel(site.file('model'), { policy })).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
    const free = await journaled()
    await mkdir(free.directory)
    await chmod(free.directory, 0o777)
    await (await openVerifiedModel(site.file('model'), { policy: free.policy })).close()
  })
})

describe('enableJournal', () => {
  test('records every load of the thread', async () => {
    const { directory, records } = { directory: site.file('enabled'), records: () => recordsOf(site.file('enabled')) }
    const policy = await site.policy(
      { version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [RULE] },
      'plain.yaml',
    )
    const files = ['../open-verified-model.ts', './enable-journal.ts'].map(
      (name) => pathToFileURL(join(import.meta.dirname, name)).href,
    )
    const script = `
      import { openVerifiedModel } from ${JSON.stringify(files[0])}
      import { enableJournal } from ${JSON.stringify(files[1])}
      enableJournal({ directory: ${JSON.stringify(directory)}, service: 'first' })
      enableJournal({ directory: ${JSON.stringify(directory)}, service: 'second' })
      await openVerifiedModel(${JSON.stringify(site.file('unsigned'))}, { policy: 'missing.yaml' }).catch(() => {})
      await (await openVerifiedModel(${JSON.stringify(site.file('model'))}, { policy: ${JSON.stringify(policy)} })).close()
    `
    execFileSync(process.execPath, [await site.write('enabling.mjs', script)])
    expect(ofType(records(), 'segment')).toMatchObject([{ service: 'second' }])
    expect(ofType(records(), 'load').map(({ decision, code }) => code ?? decision)).toEqual([
      'POLICY_NOT_FOUND',
      'accepted',
    ])
    expect(records().at(-1)?.type).toBe('close')
    // The environment does the same.
    await rm(directory, { recursive: true })
    const env = { ...process.env, MODELSEAL_JOURNAL: directory, MODELSEAL_SERVICE: 'by environment' }
    execFileSync(process.execPath, [await site.write('plain.mjs', script.replaceAll(/enableJournal\(\{.*/g, ''))], {
      env,
    })
    expect(ofType(records(), 'segment')).toMatchObject([{ service: 'by environment' }])
    expect(ofType(records(), 'load')).toHaveLength(2)
  })

  test.each([
    [{ retention: '1h' }, /option "retention": expected a duration of at least 2 days/],
    [{ durability: 'never' }, /durability/],
    [{ collected: 'yes' }, /collected/],
    [{ dir: 'x' }, /Unknown option "dir"/],
    [{ checkpoints: {} }, /checkpoints.file/],
  ])('refuses %j', (options, message) => {
    expect(() => enableJournal(options as never)).toThrow(message)
  })
})
