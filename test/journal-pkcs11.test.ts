import { readdirSync, readFileSync, renameSync, utimesSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { JOURNAL_CHANNEL, pruneJournal, verifyJournal, type JournalState } from '@modelseal/core/journal'
import { JournalWriter } from '../packages/core/src/journal/writing/writer.ts'
import type * as token from '../packages/core/src/signing/pkcs11/token.ts'
import { makePair, makeToken, PIN, ready, softHsm, tool, work } from './pkcs11/soft-hsm.ts'

const uses = vi.hoisted(() => ({ count: 0 }))
vi.mock('../packages/core/src/signing/pkcs11/token.ts', async (original) => {
  const real = await original<typeof token>()
  const withTokenKey: typeof real.withTokenKey = (...given) => {
    uses.count += 1
    return real.withTokenKey(...given)
  }
  return { ...real, withTokenKey }
})

const tokens = join(work, 'tokens')
const uri = (more: string) => `pkcs11:${more}?module-path=${softHsm}&pin-value=${PIN}`
const KEY = uri('token=hosts;object=journal')

afterAll(() => rm(work, { recursive: true }))

function writerFor(directory: string, key: string): JournalWriter {
  return new JournalWriter({
    directory,
    place: 'test',
    key,
    required: false,
    durability: 'interval',
    service: 'test',
    paths: 'full',
  })
}

function record(writer: JournalWriter, { isRequired = false } = {}): Promise<unknown> {
  return new Promise((ended) =>
    writer.add({
      make: () => [{ type: 'policy', time: new Date().toISOString(), path: 'p' }],
      isSynced: false,
      isRequired,
      ended,
      at: {},
    }),
  )
}

/** Collects what is published about journals while something runs. */
async function heard(work: () => Promise<void>): Promise<JournalState[]> {
  const states: JournalState[] = []
  const hear = (state: unknown) => void states.push(state as JournalState)
  subscribe(JOURNAL_CHANNEL, hear)
  await work().finally(() => unsubscribe(JOURNAL_CHANNEL, hear))
  return states
}

describe.skipIf(!ready)('a journal whose key is on a token', () => {
  beforeAll(async () => {
    await mkdir(tokens)
    await writeFile(join(work, 'softhsm2.conf'), `directories.tokendir = ${tokens}\nlog.level = ERROR\n`)
    process.env['SOFTHSM2_CONF'] = join(work, 'softhsm2.conf')
    makeToken('hosts')
    makePair('hosts', 'journal', '01', 'EC:prime256v1')
    makePair('hosts', 'other', '02', 'EC:prime256v1')
    makePair('hosts', 'p384', '03', 'EC:secp384r1')
  })

  test('is signed by it, and verified with the public key from the token', async () => {
    const directory = join(work, 'signed')
    const writer = writerFor(directory, KEY)
    await record(writer)
    writer.endNow([])
    const der = join(work, 'journal.der')
    tool('hosts', '--read-object', '--type', 'pubkey', '--label', 'journal', '--output-file', der)
    const pem = join(work, 'journal.pub')
    const base64 = readFileSync(der).toString('base64')
    await writeFile(pem, `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`)
    const report = await verifyJournal(directory, { key: pem })
    expect(report).toMatchObject({ holds: true, pinned: true, records: 3, uncovered: 0 })
    const { key } = report
    expect(await verifyJournal(directory, { key })).toMatchObject({ holds: true, checkpoint: { size: 1 } })
  })

  test('goes on without the token, and its checkpoints follow later', async () => {
    const directory = join(work, 'away')
    const first = writerFor(directory, KEY)
    await record(first)
    first.endNow([])
    renameSync(tokens, `${tokens}-away`)
    await mkdir(tokens)
    const writer = writerFor(directory, KEY)
    const states = await heard(async () => {
      expect(await record(writer, { isRequired: true })).toBeUndefined()
      await vi.waitFor(async () => expect((await verifyJournal(directory)).uncovered).toBe(2), { timeout: 20_000 })
      await new Promise((go) => setTimeout(go, 500))
    })
    expect(states[0]?.error).toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringContaining('Cannot sign a checkpoint') as string,
    })
    expect(JSON.stringify(states)).not.toContain(PIN)
    await rm(tokens, { recursive: true })
    renameSync(`${tokens}-away`, tokens)
    await vi.waitFor(
      async () => expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0, records: 5 }),
      { timeout: 10_000, interval: 200 },
    )
    writer.endNow([])
  })

  test('is pruned with the key on the token, and with no other', async () => {
    const directory = join(work, 'pruned')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 91 * 86_400_000 })
    const writer = writerFor(directory, KEY)
    await record(writer)
    writer.endNow([])
    vi.useRealTimers()
    const [segment = ''] = readdirSync(join(directory, 'segments'))
    utimesSync(join(directory, 'segments', segment), 0, 0)
    const olderThan = '90d'
    for (const key of [undefined, uri('token=hosts;object=other'), uri('token=hosts;object=none')]) {
      const refused = await pruneJournal(directory, { olderThan, key }).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: expect.stringMatching(/^JOURNAL_(FAILED|INVALID)$/) as string })
      expect(String(refused)).not.toContain(PIN)
      if (key === undefined) expect(String(refused)).toContain('or "--key"')
    }
    const wrong = KEY.replace(PIN, '222222')
    await expect(pruneJournal(directory, { olderThan, key: wrong })).rejects.toMatchObject({
      code: 'JOURNAL_FAILED',
      cause: { code: 'PKCS11_PIN' },
      hint: 'Check the token and its PIN. A segment is deleted only after its end was signed, so this one was kept.',
    })
    expect(readdirSync(join(directory, 'segments'))).toEqual([segment])
    expect(await pruneJournal(directory, { olderThan, dryRun: true })).toMatchObject({ segments: [{ records: 3 }] })
    expect(await pruneJournal(directory, { olderThan, key: KEY })).toMatchObject({ segments: [{ records: 3 }] })
    expect(readdirSync(join(directory, 'segments'))).toEqual([])
    expect(await verifyJournal(directory)).toMatchObject({ holds: true, retired: 1 })
  })

  test('tries a wrong PIN once', async () => {
    const directory = join(work, 'pin')
    const first = writerFor(directory, KEY)
    await record(first)
    first.endNow([])
    const before = uses.count
    const writer = writerFor(directory, KEY.replace(PIN, '111111'))
    const states = await heard(async () => {
      await record(writer)
      await new Promise((go) => setTimeout(go, 4_000))
    })
    expect(states.filter(({ error }) => error).length).toBeGreaterThan(1)
    writer.endNow([])
    expect(uses.count - before).toBe(1)
    expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 3 })
  }, 20_000)

  test.each([
    ['another key on the token', 'token=hosts;object=other', 'signed', /not that of the journal/],
    ['a key of another kind', 'token=hosts;object=p384', 'new-1', /of another kind/],
    ['no such key', 'token=hosts;object=none', 'new-2', /cannot be used/],
  ])('does not sign with %s', async (_, key, name, message) => {
    const directory = join(work, name)
    const writer = writerFor(directory, uri(key))
    const states = await heard(async () => {
      void record(writer)
      await new Promise((go) => setTimeout(go, 1_000))
      writer.endNow([])
    })
    expect(states.map(({ error }) => error?.message).join()).toMatch(message)
  })
})
