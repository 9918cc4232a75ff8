import { execFileSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { JOURNAL_CHANNEL, type JournalState } from '../../events.ts'
import type { JournalRecord } from '../../journal/format/record.ts'
import { commitsOf, recordsOf } from '../../testing/journal-reading.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'

let site: TestSite
let number = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('model')
})
// Another head may be committed meanwhile.
afterAll(() => vi.waitFor(() => site.remove(), 5_000))

/** Policies that name one journal, in the order of their settings. */
async function sharing(...settings: readonly object[]) {
  const name = `shared-${++number}`
  const policies = settings.map((more, index) =>
    site.policy(
      {
        version: 1,
        trustRoots: { a: { publicKey: 'a.pub' } },
        rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
        journal: { directory: name, ...more },
      },
      `${name}-${index}.yaml`,
    ),
  )
  return { directory: site.file(name), policies: await Promise.all(policies) }
}

async function load(policy: string | undefined): Promise<void> {
  await (await openVerifiedModel(site.file('model'), { policy: policy ?? 'missing.yaml' })).close()
}

function heard(): JournalState[] {
  const states: JournalState[] = []
  const hear = (state: unknown) => void states.push(state as JournalState)
  subscribe(JOURNAL_CHANNEL, hear)
  onTestFinished(() => void unsubscribe(JOURNAL_CHANNEL, hear))
  return states
}

function services(records: readonly JournalRecord[]): string[] {
  return records.flatMap((record) => (record.type === 'segment' ? record.service : []))
}

const loads = (directory: string) =>
  recordsOf(directory).flatMap((record) => (record.type === 'load' ? (record.code ?? record.decision) : []))

test('settings that come later count from then on', async () => {
  const checkpoint = site.file(`checkpoint-${number}`)
  const { directory, policies } = await sharing(
    { retention: '2d' },
    { durability: 'each', paths: 'short', service: 'named', checkpoints: { file: checkpoint } },
  )
  await load(policies[0])
  await load(policies[1])
  const records = recordsOf(directory)
  expect(services(records).at(-1)).toBe('named')
  const paths = records.flatMap((record) => (record.type === 'load' ? record.model.path : []))
  expect(paths.at(-1)).toMatch(/^model \([0-9a-f]{8}\)$/)
  await vi.waitFor(
    async () => expect(await readFile(checkpoint, 'utf8')).toBe(commitsOf(directory).at(-1)?.note),
    5_000,
  )
})

test('a required journal whose settings contradict earlier ones refuses the load, and records that', async () => {
  const { directory, policies } = await sharing(
    { service: 'first', durability: 'each' },
    { service: 'second', required: true },
  )
  const states = heard()
  await load(policies[0])
  await expect(load(policies[1])).rejects.toMatchObject({
    code: 'JOURNAL_INVALID',
    message: expect.stringMatching(
      /service\. Expected "first" by ".*-0\.yaml", found "second" by ".*-1\.yaml"/,
    ) as string,
    verdict: { decision: 'refused', error: { code: 'JOURNAL_INVALID' } },
  })
  expect(loads(directory)).toEqual(['accepted', 'JOURNAL_INVALID'])
  expect(services(recordsOf(directory))).toEqual(['first'])
  expect(states).toMatchObject([{ directory, error: { code: 'JOURNAL_INVALID' } }])
  await load(policies[0])
})

test('one that is not required records the load all the same, and reports the contradiction once', async () => {
  const { directory, policies } = await sharing({ host: 'first', durability: 'each' }, { host: 'second' })
  const states = heard()
  for (const policy of [...policies, ...policies]) await load(policy)
  expect(loads(directory)).toEqual(Array(4).fill('accepted'))
  expect(states).toMatchObject([{ error: { code: 'JOURNAL_INVALID' } }])
})

test('a key that is named later must be that of the journal', async () => {
  const { directory, policies } = await sharing(
    { durability: 'each' },
    { key: `shared-${number + 1}/host.key`, required: true },
    { key: `other-${number + 1}.key`, required: true },
  )
  await load(policies[0])
  await load(policies[1])
  await expect(load(policies[2])).rejects.toMatchObject({ code: 'JOURNAL_INVALID' })
  const other = await sharing({ durability: 'each' }, { key: `shared-${number}/host.key`, required: true })
  await load(other.policies[0])
  await expect(load(other.policies[1])).rejects.toMatchObject({
    code: 'JOURNAL_INVALID',
    message: expect.stringContaining('created with another key') as string,
  })
  await load(other.policies[0])
  expect(loads(directory)).toEqual(['accepted', 'accepted', 'JOURNAL_INVALID'])
  expect(loads(other.directory)).toEqual(['accepted', 'JOURNAL_INVALID', 'accepted'])
})

test('the program may contradict a policy, too', async () => {
  const { directory, policies } = await sharing({ service: 'by policy', required: true })
  const [opening, enabling] = ['../open-verified-model.ts', './enable-journal.ts'].map(
    (name) => pathToFileURL(join(import.meta.dirname, name)).href,
  )
  const script = `
    import { openVerifiedModel } from ${JSON.stringify(opening)}
    import { enableJournal } from ${JSON.stringify(enabling)}
    enableJournal({ directory: ${JSON.stringify(directory)}, service: 'by program' })
    try {
      await openVerifiedModel(${JSON.stringify(site.file('model'))}, { policy: ${JSON.stringify(policies[0])} })
    } catch ({ code, message }) {
      console.log(code, message)
    }
  `
  const said = String(
    execFileSync(process.execPath, [await site.write(`program-${number}.mjs`, script)], { stdio: 'pipe' }),
  )
  expect(said).toMatch(
    /^JOURNAL_INVALID .* service\. Expected "by program" by "enableJournal\(\)", found "by policy" by ".*\.yaml"/,
  )
  expect(loads(directory)).toEqual(['JOURNAL_INVALID'])
})
