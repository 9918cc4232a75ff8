import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { digestOf, loadRecord, signerRecord, TestJournal } from '../../../core/src/testing/journals.ts'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { findIncident } from './find-incident.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'modelseal-journal-'))
  vi.stubEnv('MODELSEAL_CACHE', join(root, 'cache'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(root, { recursive: true, force: true })
})

function journalOf(host: string): TestJournal {
  mkdirSync(join(root, host))
  return new TestJournal(join(root, host), host)
}

const at = (time: string) => `2026-11-02T${time}:00.000Z`
const VAD = digestOf('vad')

/** Two hosts. `transcribe` on host-a loaded `vad` twice, and ended one load; `search` on host-b was killed. */
function twoHosts() {
  const a = journalOf('host-a')
  const one = a.segment({ service: 'transcribe' })
  one.add({
    type: 'model',
    time: at('10:00'),
    rootDigest: VAD,
    part: 1,
    parts: 1,
    name: 'vad',
    files: [['model.onnx', digestOf('model.onnx')]],
  })
  const first = one.add(loadRecord({ time: at('10:00') }))
  one.add(loadRecord({ time: at('11:30') }))
  one.add(
    loadRecord({
      time: at('11:45'),
      rootDigest: digestOf('other'),
      model: { path: '/srv/other' },
      signers: [signerRecord('else')],
    }),
  )
  one.add({ type: 'end', time: at('12:00'), load: first, why: 'closed' })
  one.commit()
  const b = journalOf('host-b')
  const two = b.segment({ service: 'search', host: 'host-b' })
  two.add(loadRecord({ time: at('13:00') }))
  two.add(loadRecord({ time: at('13:01'), decision: 'refused', code: 'MODEL_REVOKED' }))
  two.commit()
  return { a, b, one, two, journals: [a.directory, b.directory] }
}

test('says which services loaded a model, on which hosts, when and how often', async () => {
  const { journals } = twoHosts()
  const incident = await findIncident(journals, { model: `sha256:${VAD}` })
  expect(incident).toMatchObject({
    complete: true,
    loadedNow: 'unknown',
    total: { loads: 3, refusals: 1, live: 2, services: 2, hosts: 2, models: 1, first: at('10:00'), last: at('13:01') },
    services: {
      more: 0,
      items: [
        {
          service: 'transcribe',
          host: 'host-a',
          loads: 2,
          refusals: 0,
          live: 1,
          models: 1,
          first: at('10:00'),
          last: at('11:30'),
        },
        {
          service: 'search',
          host: 'host-b',
          loads: 1,
          refusals: 1,
          live: 1,
          models: 1,
          first: at('13:00'),
          last: at('13:01'),
        },
      ],
    },
    models: { items: [{ rootDigest: VAD, names: ['vad'], loads: 3, services: 2 }] },
    signers: { items: [{ name: 'release', counted: true, loads: 3 }] },
    refusals: { items: [{ kind: 'refused', code: 'MODEL_REVOKED', count: 1, first: at('13:01') }] },
    timeline: { step: 3_600_000, loads: [1, 1, 0, 1], refusals: [0, 0, 0, 1] },
  })
})

test.each([
  ['the fingerprint of a signer', { signer: digestOf('key release') }, 3],
  ['a fingerprint as OpenSSL prints it', { signer: `sha256 Fingerprint=${inPairs(digestOf('key release'))}` }, 3],
  ['the name of a signer', { signer: 'release' }, 3],
  ['another signer', { signer: 'else' }, 1],
  ['a file', { file: digestOf('model.onnx') }, 3],
  ['a policy', { policy: digestOf('policy') }, 4],
  ['a model that nobody loaded', { model: digestOf('nothing') }, 0],
])('finds loads by %s', async (_, query, loads) => {
  const { journals } = twoHosts()
  expect((await findIncident(journals, query)).total.loads).toBe(loads)
})

function inPairs(digest: string): string {
  return digest.toUpperCase().match(/../g)?.join(':') ?? ''
}

test('finds signers by identity, subject, name in the certificate and root', async () => {
  const a = journalOf('host-a')
  const segment = a.segment()
  const certificate = {
    ...signerRecord('ca'),
    method: 'certificate',
    identity: 'ml@example.org',
    subject: 'CN=Models',
    alternativeNames: ['email:ml@example.org', 'https://ci.example/build'],
    rootFingerprint: digestOf('root'),
  }
  segment.add(loadRecord({ signers: [certificate] }))
  segment.commit()
  for (const signer of [
    'ml@example.org',
    'CN=Models',
    'https://ci.example/build',
    digestOf('root'),
    `SHA256:${digestOf('root').toUpperCase()}`.toLowerCase(),
  ])
    expect((await findIncident([a.directory], { signer })).total.loads, signer).toBe(1)
})

test('counts only the loads in a period, to the millisecond', async () => {
  const { journals } = twoHosts()
  const loads = async (since?: string, until?: string) =>
    (
      await findIncident(journals, {
        model: VAD,
        since: since === undefined ? undefined : new Date(since),
        until: until === undefined ? undefined : new Date(until),
      })
    ).total
  expect(await loads(at('11:30'))).toMatchObject({ loads: 2, refusals: 1 })
  expect(await loads('2026-11-02T11:30:00.001Z')).toMatchObject({ loads: 1, refusals: 1 })
  expect(await loads(at('10:00'), at('11:30'))).toMatchObject({ loads: 1, refusals: 0 })
  expect(await loads(at('10:00'), '2026-11-02T11:30:00.001Z')).toMatchObject({ loads: 2 })
  expect(await loads(at('11:10'), at('11:40'))).toMatchObject({ loads: 1 })
  expect(await loads(undefined, at('09:00'))).toMatchObject({ loads: 0 })
})

test('what was appended since is read, and nothing else', async () => {
  const { journals, one, two } = twoHosts()
  expect((await findIncident(journals, { model: VAD })).total.loads).toBe(3)
  two.add(loadRecord({ time: at('14:00') }))
  two.commit()
  one.add({ type: 'end', time: at('14:00'), load: 3, why: 'closed' })
  one.close()
  const later = await findIncident(journals, { model: VAD })
  expect(later).toMatchObject({ complete: true, total: { loads: 4, live: 2 } })
  expect(later.services.items[1]).toMatchObject({ service: 'transcribe', loadedNow: 'no', live: 0 })
  expect(await findIncident(journals, { model: VAD, anew: true })).toEqual({ ...later, at: expect.any(String) })
})

test('a model is in use if its process wrote lately, and unknown if it did not', async () => {
  const { journals } = twoHosts()
  vi.useFakeTimers({ now: Date.parse(at('13:03')), toFake: ['Date'] })
  const { services } = await findIncident(journals, { model: VAD })
  expect(services.items.map(({ service, loadedNow }) => [service, loadedNow])).toEqual([
    ['transcribe', 'unknown'],
    ['search', 'yes'],
  ])
})

test('a load that ends in a later segment of the same writer has ended', async () => {
  const a = journalOf('host-a')
  const before = a.segment({ time: at('10:00') })
  const load = before.add(loadRecord({ time: at('10:01') }))
  before.commit({ end: true })
  const after = a.segment({ time: at('11:00'), continues: before.id })
  after.commit()
  expect(await findIncident([a.directory], { model: VAD })).toMatchObject({ loadedNow: 'unknown', total: { live: 1 } })
  after.add({ type: 'end', time: at('11:01'), load, segment: before.id, why: 'closed' })
  after.commit()
  expect(await findIncident([a.directory], { model: VAD })).toMatchObject({
    loadedNow: 'no',
    total: { live: 0, loads: 1 },
  })
})

test('a load whose end has an earlier time has ended, because clocks are set back', async () => {
  const a = journalOf('host-a')
  const before = a.segment({ time: at('12:00') })
  const load = before.add(loadRecord({ time: at('12:00') }))
  before.commit({ end: true })
  const after = a.segment({ time: at('10:00'), continues: before.id })
  after.add({ type: 'end', time: at('10:01'), load, segment: before.id, why: 'closed' })
  after.commit()
  expect(await findIncident([a.directory], { model: VAD })).toMatchObject({ loadedNow: 'no', total: { live: 0 } })
})

test('of the services of a model, those that may still have it loaded come first', async () => {
  const a = journalOf('host-a')
  const ended = a.segment({ service: 'ended' })
  for (const why of ['closed', 'released', 'exit'] as const) {
    const load = ended.add(loadRecord())
    ended.add({ type: 'end', time: at('12:00'), load, why })
  }
  ended.commit()
  const silent = a.segment({ service: 'silent' })
  silent.add(loadRecord())
  silent.commit()
  const { models } = await findIncident([a.directory], { model: VAD })
  expect(models.items[0]?.loadedBy.map(({ service }) => service)).toEqual(['silent', 'ended'])
})

test('models that were revoked while in use are named', async () => {
  const a = journalOf('host-a')
  const segment = a.segment()
  const load = segment.add(loadRecord())
  segment.add({ type: 'revoked', time: at('15:00'), load, code: 'KEY_REVOKED' })
  segment.add({ type: 'end', time: at('15:00'), load, why: 'revoked' })
  segment.commit()
  const { refusals } = await findIncident([a.directory], { model: VAD })
  expect(refusals.items).toEqual([
    { kind: 'revoked', code: 'KEY_REVOKED', count: 1, first: at('15:00'), last: at('15:00') },
  ])
})

test('follows signed provenance to what was made from a model, through circles, across journals', async () => {
  const claim = (...inputs: string[]) => ({
    type: 'https://slsa.dev/provenance/v1',
    kind: 'provenance',
    digest: digestOf('c'),
    signer: digestOf('key release'),
    inputs,
  })
  const a = journalOf('host-a')
  const one = a.segment()
  one.add(loadRecord())
  one.add(
    loadRecord({ rootDigest: digestOf('tuned'), model: { name: 'tuned' }, claims: [claim(VAD, digestOf('merged'))] }),
  )
  one.commit()
  const b = journalOf('host-b')
  const two = b.segment({ host: 'host-b', service: 'search' })
  two.add(loadRecord({ rootDigest: digestOf('merged'), model: { name: 'merged' }, claims: [claim(digestOf('tuned'))] }))
  two.add(loadRecord({ rootDigest: digestOf('unrelated'), claims: [claim(digestOf('x'))] }))
  two.commit()
  const { derived } = await findIncident([a.directory, b.directory], { model: VAD })
  expect(derived.items.map(({ names, from, proof, loads }) => ({ names, from, proof, loads }))).toEqual([
    { names: ['tuned'], from: [VAD, digestOf('merged')], proof: 'recorded', loads: 1 },
    { names: ['merged'], from: [digestOf('tuned')], proof: 'recorded', loads: 1 },
  ])
})

test('a journal that does not hold is named, and the answer says that it may be incomplete', async () => {
  const { journals, one } = twoHosts()
  const lines = readFileSync(one.path, 'utf8').split(/(?<=\n)/)
  writeFileSync(one.path, lines.toSpliced(3, 1).join(''))
  const incident = await findIncident(journals, { model: VAD })
  expect(incident).toMatchObject({ complete: false, total: { loads: 2 } })
  expect(incident.journals[0]).toMatchObject({
    holds: false,
    problems: [expect.stringContaining('record 3'), expect.any(String)],
  })
  expect(incident.unknown[0]).toBe('One journal does not hold: records in it may be missing or changed.')
})

test('it is unknown whether a model is loaded if the record of its load may be missing', async () => {
  const { journals, one } = twoHosts()
  expect(await findIncident(journals, { model: digestOf('nothing') })).toMatchObject({
    loadedNow: 'no',
    complete: true,
  })
  const lines = readFileSync(one.path, 'utf8').split(/(?<=\n)/)
  writeFileSync(one.path, lines.slice(0, 1).join(''))
  expect(await findIncident(journals, { model: digestOf('nothing'), anew: true })).toMatchObject({
    loadedNow: 'unknown',
    complete: false,
    total: { loads: 0, live: 0 },
  })
})

test.each([
  [
    'removed lines that were read before',
    ({ one }: ReturnType<typeof twoHosts>) =>
      writeFileSync(
        one.path,
        readFileSync(one.path, 'utf8')
          .split(/(?<=\n)/)
          .slice(0, 3)
          .join(''),
      ),
  ],
  [
    'changed lines that were read before',
    ({ one }: ReturnType<typeof twoHosts>) => {
      writeFileSync(one.path, readFileSync(one.path, 'utf8').replace('"vad"', '"dav"'))
      utimesSync(one.path, new Date(), new Date(Date.now() + 5_000))
    },
  ],
  [
    'other commits than those that were read before',
    ({ a }: ReturnType<typeof twoHosts>) => rmSync(join(a.directory, 'commits/0000000000.json')),
  ],
  ['no segment that was read before', ({ one }: ReturnType<typeof twoHosts>) => rmSync(one.path)],
])('a journal with %s is read anew, and the contradiction stays known', async (_, change) => {
  const hosts = twoHosts()
  expect((await findIncident(hosts.journals, { model: VAD })).complete).toBe(true)
  change(hosts)
  expect((await findIncident(hosts.journals, { model: VAD })).journals[0]?.holds).toBe(false)
  expect((await findIncident(hosts.journals, { model: VAD })).journals[0]?.holds).toBe(false)
})

test('a copy of a journal with other times of its files is the same journal', async () => {
  const { journals, one } = twoHosts()
  await findIncident(journals, { model: VAD })
  utimesSync(one.path, new Date(), new Date(Date.now() + 5_000))
  expect(await findIncident(journals, { model: VAD })).toMatchObject({ complete: true, total: { loads: 3 } })
})

test('the loads of a copy are counted, and the answer says so', async () => {
  twoHosts()
  cpSync(join(root, 'host-a'), join(root, 'copy'), { recursive: true })
  const of = (names: string[]) =>
    findIncident(
      names.map((name) => join(root, name)),
      { model: VAD },
    )
  const [once, twice] = [await of(['host-a', 'host-b']), await of(['host-a', 'host-b', 'copy'])]
  expect(twice.total.loads).toBeGreaterThan(once.total.loads)
  expect(once.unknown.join()).not.toContain('copies')
  expect(twice.unknown.join()).toContain('copies of one')
})

test('a question that is aborted says so, and leaves an index that can be used', async () => {
  twoHosts()
  const asked = findIncident([join(root, 'host-a')], { model: VAD, signal: AbortSignal.abort() })
  await expect(asked).rejects.toThrow(refusal('ABORTED'))
  expect((await findIncident([join(root, 'host-a')], { model: VAD })).total.loads).toBe(2)
})

test('a segment that was retired is forgotten, and the answer says so', async () => {
  const a = journalOf('host-a')
  const old = a.segment({ time: at('08:00') })
  old.add(loadRecord({ time: at('10:10') }))
  old.close()
  const current = a.segment({ time: at('10:00'), service: 'search' })
  current.add(loadRecord({ time: at('10:20') }))
  current.commit()
  expect((await findIncident([a.directory], { model: VAD })).total.loads).toBe(2)
  old.commit({ end: true, retired: true })
  rmSync(old.path)
  const later = await findIncident([a.directory], { model: VAD })
  expect(later).toMatchObject({ complete: true, total: { loads: 1, first: at('10:20') } })
  expect(later.unknown).toContain('1 segment of the journals was deleted after the time for which they are kept.')
})

test('an index that is damaged or was written by another version is built anew', async () => {
  const { journals } = twoHosts()
  const before = await findIncident(journals, { model: VAD })
  const folder = join(root, 'cache/journals')
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    writeFileSync(join(folder, name), 'not a database, but long enough to be taken for one'.repeat(100))
  }
  expect(await findIncident(journals, { model: VAD })).toEqual({ ...before, at: expect.any(String) })
})

test('uncovered records, lost records and models that were cut are told', async () => {
  const a = journalOf('host-a')
  const segment = a.segment()
  segment.add({ type: 'lost', time: at('10:00'), count: 7, code: 'ENOSPC' })
  segment.add({ type: 'model', time: at('10:00'), rootDigest: VAD, part: 1, parts: 1, files: [], cut: true })
  segment.commit()
  segment.add(loadRecord())
  segment.flush()
  appendFileSync(segment.path, '{"half')
  const { unknown, journals } = await findIncident([a.directory], { file: digestOf('any') })
  expect(unknown).toContain('No checkpoint covers the last 1 record: those could be cut off or added without a trace.')
  expect(unknown).toContain('7 records could not be written by the hosts.')
  expect(unknown).toContain('1 model may contain the file: not all of their files were recorded.')
  expect(journals[0]).toMatchObject({ holds: true, uncovered: 1, lost: 7 })
})

test('a key that was named is used', async () => {
  const { a, b } = twoHosts()
  const keys = { [a.directory]: a.file.key }
  expect((await findIncident([a.directory], { model: VAD, keys })).journals).toMatchObject([
    { pinned: true, holds: true },
  ])
  cpSync(b.directory, join(root, 'copy'), { recursive: true })
  await expect(findIncident([b.directory], { model: VAD, keys: { [b.directory]: a.file.key } })).rejects.toMatchObject({
    code: 'KEY_MISMATCH',
  })
})

test.each([
  ['no journal', [], { model: VAD }],
  ['no question', ['x'], {}],
  ['two questions', ['x'], { model: VAD, file: VAD }],
  ['a digest that is none', ['x'], { model: 'vad' }],
  ['a root digest with two digits too many', ['x'], { model: `${VAD}00` }],
  ['a root digest by another algorithm', ['x'], { model: `sha512:${VAD}${VAD}` }],
  ['a file digest that was cut', ['x'], { file: VAD.slice(2) }],
  ['a fingerprint that was cut', ['x'], { signer: `sha256:${VAD.slice(2)}` }],
  ['a fingerprint by another algorithm', ['x'], { signer: `SHA1 Fingerprint=${VAD.slice(24)}` }],
  ['a period that ends before it begins', ['x'], { model: VAD, since: new Date(2), until: new Date(1) }],
])('refuses %s', async (_, journals, query) => {
  await expect(findIncident(journals, query)).rejects.toMatchObject({
    name: 'ModelSealError',
    code: 'INVALID_ARGUMENT',
  })
})

test('questions at the same time do not wait for each other for ever', async () => {
  const { journals } = twoHosts()
  const answers = await Promise.all([1, 2, 3].map(() => findIncident(journals, { model: VAD })))
  expect(answers.map(({ total }) => total.loads)).toEqual([3, 3, 3])
})
