import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { verifyJournal } from '@modelseal/core/journal'
import { GrowingTree } from '../../../../core/src/merkle/tree.ts'
import { expect, onTestFinished, test, vi } from 'vitest'
import { addLoads, asked, Site } from '../../testing/collecting.ts'
import { Events, type CollectorEvent } from './events.ts'
import { Slots } from './slots.ts'

function portOf(site: Site): number {
  return Number(new URL(site.collector.url).port)
}

async function secured(site: Site): Promise<TLSSocket> {
  const socket = connectTls({ port: portOf(site), host: '127.0.0.1', ca: readFileSync(site.ca) })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

test('a host whose requests never end does not keep others waiting', async () => {
  const site = await Site.create()
  const [{ journal }, { journal: other }] = [site.journal(), site.journal('host-b')]
  const head = [
    `POST /v1/journals/${journal.file.id}/commits HTTP/1.1`,
    'host: x',
    'authorization: Bearer token-of-host-a',
    'content-length: 1000',
  ]
  const answers: string[] = []
  for (let index = 0; index < 50; index++) {
    const socket = await secured(site)
    socket.on('data', (piece) => answers.push(String(piece)))
    socket.write(`${head.join('\r\n')}\r\n\r\n{`)
  }
  expect(await site.push(other.directory, {}, 'host-b')).toMatchObject({ size: 1 })
  // More connections than a host needs are closed.
  await vi.waitFor(() => expect(answers).toHaveLength(50 - 34), { timeout: 20_000 })
  expect(new Set(answers.map((text) => text.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 503']))
})

test('strangers who only connect do not keep hosts from the collector', async () => {
  const site = await Site.create()
  const { journal } = site.journal()
  let closed = 0
  for (let index = 0; index < 300; index++) {
    const socket = connect(portOf(site), '127.0.0.1')
    socket.on('error', () => undefined).on('close', () => (closed += 1))
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
  }
  expect(await site.push(journal.directory)).toMatchObject({ size: 1 })
  await vi.waitFor(() => expect(closed).toBeGreaterThanOrEqual(300 - 256), { timeout: 20_000 })
})

test('requests wait for their turn: those of hosts with few before those of one with many', async () => {
  const slots = new Slots(200)
  const [first, second] = [await slots.take('a'), await slots.take('a')]
  const order: string[] = []
  const waiting = ['a', 'a'].map((host) => slots.take(host).then((end) => (order.push(host), end)))
  const others = await Promise.all(Array.from({ length: 62 }, (_, index) => slots.take(`host ${index}`)))
  const late = slots.take('b').then((end) => (order.push('b'), end))
  first()
  await late
  expect(order).toEqual(['b'])
  second()
  await waiting[0]
  expect(order).toEqual(['b', 'a'])
  await expect(waiting[1]).rejects.toMatchObject({ status: 503 })
  for (const end of others) end()
  const many = Array.from({ length: 32 + 2 }, () => slots.take('c'))
  await expect(slots.take('c')).rejects.toMatchObject({ status: 503 })
  for (const each of many) (await each)()
})

test('refusals that anyone can cause are counted, and hide no others', async () => {
  const site = await Site.create()
  const { journal, segment } = site.journal()
  await site.push(journal.directory)
  addLoads(segment, 1)
  await site.push(journal.directory)
  const path = `/v1/journals/${journal.file.id}`
  for (let index = 0; index < 100; index++) {
    expect(await asked(site, 'POST', path, { token: `token ${index}` })).toMatchObject({ status: 401 })
    expect(await asked(site, 'POST', `${path}/x`)).toMatchObject({ status: 404 })
  }
  const content = JSON.stringify({
    journal: readFileSync(join(journal.directory, 'journal.json'), 'utf8'),
    note: journal.notes[0],
  })
  expect(await asked(site, 'POST', path, { content })).toMatchObject({ status: 409 })
  expect(site.events.at(-1)).toMatchObject({ code: 'JOURNAL_ROLLBACK' })
  expect(site.events.length).toBeLessThan(80)
  await site.collector.close()
  for (const start of ['401', '404']) {
    const events = site.events.filter(({ message }) => message.startsWith(start))
    expect(events.reduce((sum, { unreported = 0 }) => sum + 1 + unreported, 0)).toBe(100)
  }
})

test('what was only counted is reported after some time', async () => {
  const reported: CollectorEvent[] = []
  const events = new Events((event) => reported.push(event), 20)
  for (let index = 1; index <= 25; index++) events.reportFrequent({ event: 'refused', message: `${index}` })
  expect(reported).toHaveLength(20)
  await vi.waitFor(() => expect(reported.slice(20)).toMatchObject([{ message: '25', unreported: 4 }]), {
    timeout: 20_000,
  })
})

test('only what the key of a host signed is kept as evidence, and proofs find a place', async () => {
  const site = await Site.create()
  const { journal, segment } = site.journal()
  for (let index = 0; index < 30; index++) addLoads(segment, 1)
  await site.push(journal.directory)
  const stored = site.directoryOf(journal)
  const evidence = join(stored, 'evidence')
  const path = `/v1/journals/${journal.file.id}`
  const lines = readFileSync(segment.path, 'latin1')
  const [commit = ''] = readdirSync(join(journal.directory, 'commits')).map((name) =>
    readFileSync(join(journal.directory, 'commits', name), 'utf8'),
  )
  const { journal: described, ...question } = {
    journal: readFileSync(join(journal.directory, 'journal.json'), 'utf8'),
    note: journal.notes.at(-1)!,
  }
  // Someone with the token, but without the key.
  for (let index = 0; index < 20; index++) {
    const other = Buffer.from(lines.replace('"bytes":1', `"bytes":${index + 2}`), 'latin1')
    expect(await asked(site, 'PUT', `${path}/segments/${segment.id}?offset=0`, { content: other })).toMatchObject({
      status: 409,
    })
    const changed = commit.replace(/"size":\d+/, `"size":${100 + index}`)
    expect(await asked(site, 'POST', `${path}/commits`, { content: changed })).toMatchObject({
      status: 422,
      body: { error: { code: 'JOURNAL_INVALID' } },
    })
    const created = described.replace(/2026-08-\d\d/, `2026-08-${10 + index}`)
    const content = JSON.stringify({ journal: created, ...question })
    await asked(site, 'POST', path, { content })
  }
  expect(existsSync(evidence)).toBe(false)
  for (const note of journal.notes.slice(0, -1)) {
    const content = JSON.stringify({ journal: described, note })
    expect(await asked(site, 'POST', path, { content })).toMatchObject({
      status: 409,
      body: { error: { code: 'JOURNAL_ROLLBACK' } },
    })
  }
  expect(readdirSync(evidence)).toHaveLength(10)
  // The key signs another history.
  Object.assign(journal, { tree: new GrowingTree(), directory: site.file('fork') })
  site.copy('host-a', 'fork')
  journal.segment({ time: '2026-11-06T00:00:00.000Z' }).commit()
  const content = JSON.stringify({ journal: described, note: journal.notes.at(-1) })
  expect(await asked(site, 'POST', path, { content })).toMatchObject({
    status: 409,
    body: { error: { code: 'JOURNAL_INCONSISTENT' } },
  })
  expect(site.events.at(-1)!.evidence).toMatch(/fork-[0-9a-f]{32}\.json$/)
  expect(JSON.parse(readFileSync(site.events.at(-1)!.evidence!, 'utf8'))).toMatchObject({
    stored: journal.notes[0],
    sent: journal.notes.at(-1),
  })
  expect(await verifyJournal(stored)).toMatchObject({ holds: true })
})
