import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { authority, SERVER_AUTH } from '../../../core/src/testing/authority.ts'
import { loadRecord } from '../../../core/src/testing/journals.ts'
import { GrowingTree } from '../../../core/src/merkle/tree.ts'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { readCollected, verifyJournal } from '@modelseal/core/journal'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { addLoads, asked, Site } from '../testing/collecting.ts'
import { findIncident } from '../incident/find-incident.ts'
import { pushJournal, type PushEvent } from './sending/push-journal.ts'
import { hostOf } from './senders.ts'

function collectedOf(directory: string) {
  const read = readCollected(readFileSync(join(directory, 'collected.json'), 'utf8'))
  return 'collected' in read ? read.collected : undefined
}

describe('a collector', () => {
  test('stores what a host sends, from where it ended before, as a journal that holds', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    expect(await site.push(journal.directory)).toMatchObject({ commits: 1, size: 1, bytes: segment.bytes })
    for (let index = 0; index < 600; index++) addLoads(segment, 1)
    expect(await site.push(journal.directory)).toMatchObject({ commits: 600, size: 601 })
    expect(await site.push(journal.directory)).toEqual({ commits: 0, size: 601, bytes: 0 })
    const stored = site.directoryOf(journal)
    writeFileSync(site.file('checkpoint'), journal.notes.at(-1)!)
    expect(await verifyJournal(stored, { checkpoint: site.file('checkpoint'), key: journal.file.key })).toMatchObject({
      holds: true,
      records: 604,
      uncovered: 0,
    })
    expect(readdirSync(join(stored, 'heads'))).toHaveLength(2)
    expect(readdirSync(join(stored, 'commits'))).toHaveLength(601 - 512)
    expect(readFileSync(join(stored, 'segments', `${segment.id}.jsonl`))).toEqual(readFileSync(segment.path))
    expect(collectedOf(journal.directory)).toMatchObject({ size: 601, segments: { [segment.id]: segment.bytes } })
    expect(statSync(join(journal.directory, 'collected.json')).mode & 0o777).toBe(0o600)
    expect(site.events).toMatchObject([{ event: 'created', host: 'host-a', journal: journal.file.id }])
    vi.stubEnv('MODELSEAL_CACHE', scratch())
    expect(await findIncident([site.stored], { model: loadRecord().rootDigest! })).toMatchObject({
      total: { loads: 603 },
      complete: true,
    })
    vi.unstubAllEnvs()
  })

  test('goes on after a restart, and cuts what was not confirmed', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    await site.collector.close()
    const stored = join(site.directoryOf(journal), 'segments', `${segment.id}.jsonl`)
    appendFileSync(stored, '{"half of a li')
    writeFileSync(join(site.directoryOf(journal), 'commits', `.${'a'.repeat(16)}.tmp`), 'x')
    writeFileSync(join(site.directoryOf(journal), 'commits', '0000000007.json'), 'x')
    await site.start()
    addLoads(segment, 2)
    await site.push(journal.directory)
    expect(site.events.filter(({ event }) => event === 'cut')).toHaveLength(2)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 6, torn: 0 })
    // Records that commits cover are not cut.
    await site.collector.close()
    truncateSync(stored, 10)
    appendFileSync(stored, readFileSync(segment.path).subarray(11))
    await site.start()
    addLoads(segment, 1)
    await expect(site.push(journal.directory)).rejects.toThrow(refusal('HTTP_RESPONSE'))
    expect(site.events.at(-1)).toMatchObject({ event: 'failed', code: 'JOURNAL_INVALID' })
  })

  test('accepts the records of a killed process, which no commit covers, once they are settled', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    segment.add(loadRecord())
    segment.flush()
    appendFileSync(segment.path, '{"half')
    await site.push(journal.directory)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ uncovered: 0 })
    utimesSync(segment.path, 1, 1)
    await site.push(journal.directory)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, uncovered: 1, torn: 0 })
    expect(collectedOf(journal.directory)?.segments).toEqual({ [segment.id]: segment.bytes })
  })

  test('is told which segments were deleted before they were sent', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    segment.close()
    rmSync(segment.path)
    await expect(site.push(journal.directory)).rejects.toThrow(refusal('JOURNAL_INVALID'))
    segment.commit({ retired: true })
    rmSync(segment.path, { force: true })
    const other = journal.segment({ time: '2026-11-05T00:00:00.000Z' })
    addLoads(other, 1)
    await site.push(journal.directory)
    expect(site.events).toContainEqual(expect.objectContaining({ event: 'missing' }))
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, retired: 1, records: 2 })
    expect(collectedOf(journal.directory)?.segments).toEqual({ [other.id]: other.bytes })
  })
})

test('a collector goes on without a journal that is damaged, and needs a directory of its own', async () => {
  const site = await Site.create()
  const [{ journal }, { journal: other }] = [site.journal(), site.journal('host-b')]
  await site.push(journal.directory)
  await site.push(other.directory, {}, 'host-b')
  await site.collector.close()
  writeFileSync(join(site.directoryOf(journal), 'journal.json'), '{}')
  mkdirSync(join(site.stored, `.${'b'.repeat(16)}.tmp`))
  await site.start()
  expect(site.events.at(-1)).toMatchObject({ event: 'failed', journal: journal.file.id })
  await expect(site.push(journal.directory)).rejects.toThrow(refusal('JOURNAL_FOREIGN'))
  expect(await site.push(other.directory, {}, 'host-b')).toMatchObject({ size: 1 })
  expect(readdirSync(site.stored)).toHaveLength(2 + 1)
  await site.collector.close()
  chmodSync(site.stored, 0o755)
  await expect(site.start()).rejects.toThrow(refusal('ISOLATION_REFUSED'))
})

test('a request whose content never arrives does not keep a collector from ending', async () => {
  const site = await Site.create()
  const { journal } = site.journal()
  await site.push(journal.directory)
  const sent = request(new URL(site.collector.url), {
    method: 'POST',
    path: `/v1/journals/${journal.file.id}/commits`,
    ca: readFileSync(site.ca),
    headers: { authorization: 'Bearer token-of-host-a', 'content-length': 1_000 },
  })
  const failed = once(sent, 'response').catch(() => 'failed')
  sent.write('{')
  await new Promise((resolve) => setTimeout(resolve, 200))
  await site.collector.close()
  await failed
})

describe('a host', () => {
  test('writes only its own journals, with its token or its client certificate', async () => {
    const site = await Site.create()
    await site.collector.close()
    await site.start({ clientCa: site.ca, maxJournals: 2 })
    const { journal } = site.journal()
    const certificate = (name: string) => ({
      tokenFile: undefined,
      clientCert: site.file(`${name}.pem`),
      clientKey: site.file(`${name}.key`),
    })
    await site.certificate('host-a', { names: [[2, 'host-a']] })
    await site.certificate('common', { subject: 'host-a' })
    await site.certificate('host-b')
    await site.certificate('two', {
      names: [
        [2, 'host-a'],
        [2, 'host-b'],
      ],
    })
    await site.certificate('stranger', { subject: 'host-a', issuer: await authority('Stranger') })
    writeFileSync(site.file('wrong'), 'wrong-token', { mode: 0o600 })
    const refused = [
      { tokenFile: site.file('wrong') },
      { tokenFile: undefined },
      { tokenFile: site.token('host-b') },
      ...['host-b', 'two', 'stranger'].map(certificate),
    ]
    for (const options of refused)
      await expect(site.push(journal.directory, options)).rejects.toThrow(refusal('JOURNAL_FOREIGN'))
    expect(existsSync(site.directoryOf(journal))).toBe(false)
    expect(existsSync(join(journal.directory, 'collected.json'))).toBe(false)
    expect(await site.push(journal.directory, certificate('host-a'))).toMatchObject({ size: 1 })
    await site.push(journal.directory, certificate('common'))
    // A request for the journal of another host.
    expect(
      await asked(site, 'POST', `/v1/journals/${journal.file.id}/commits`, { token: 'token-of-host-b', content: 'x' }),
    ).toMatchObject({ status: 422 })
    expect(
      await asked(
        site,
        'PUT',
        `/v1/journals/${journal.file.id}/segments/${'1'.repeat(13)}-${'a'.repeat(16)}?offset=0`,
        { token: 'token-of-host-b' },
      ),
    ).toMatchObject({ status: 403, body: { error: { code: 'JOURNAL_FOREIGN' } } })
    // A copy of a journal on another host, and more journals than are accepted.
    await expect(site.push(journal.directory, {}, 'host-b')).rejects.toThrow(refusal('JOURNAL_FOREIGN'))
    await site.push(site.journal('host-b').journal.directory, {}, 'host-b')
    await expect(site.push(site.journal('host-a', 'third').journal.directory)).rejects.toThrow(
      refusal('JOURNAL_FOREIGN'),
    )
  })

  test.each<[string, Parameters<Site['certificate']>[1], string]>([
    ['of an authority with the same name', {}, 'is not accepted'],
    ['that has expired', { notAfter: new Date(Date.now() - 60_000) }, 'CERT_HAS_EXPIRED'],
    ['for servers', { usage: SERVER_AUTH }, 'is not accepted'],
    [
      'with two names',
      {
        names: [
          [2, 'host-a'],
          [2, 'host-b'],
        ],
      },
      'exactly one name',
    ],
  ])('with a certificate %s is told so, and reported', async (kind, given, found) => {
    const site = await Site.create()
    await site.collector.close()
    await site.start({ clientCa: site.ca, tokens: undefined })
    const { journal } = site.journal()
    const issuer = kind.startsWith('of') ? { issuer: await authority('Test authority') } : {}
    await site.certificate('host-a', { ...given, ...issuer })
    const [clientCert, clientKey] = [site.file('host-a.pem'), site.file('host-a.key')]
    await expect(site.push(journal.directory, { tokenFile: undefined, clientCert, clientKey })).rejects.toThrow(
      refusal('JOURNAL_FOREIGN', { found: expect.stringContaining(found) }),
    )
    expect(site.events.at(-1)).toMatchObject({ event: 'refused', message: expect.stringContaining(found) })
    await expect(site.push(journal.directory, { tokenFile: undefined })).rejects.toThrow(
      refusal('JOURNAL_FOREIGN', { found: expect.stringContaining('no client certificate') }),
    )
  })

  test('does not send its token to a server of another name', async () => {
    const site = await Site.create()
    const { journal } = site.journal()
    const to = site.collector.url.replace('127.0.0.1', 'localhost')
    await expect(site.push(journal.directory, { to })).rejects.toThrow(
      refusal('HTTP_UNREACHABLE', { found: expect.stringContaining('ALTNAME') }),
    )
    expect(site.events).toEqual([])
  })

  test('must have the key that the file of tokens names', async () => {
    const site = await Site.create()
    const [{ journal }, { journal: other }] = [site.journal(), site.journal('host-a', 'other')]
    await site.collector.close()
    appendFileSync(site.file('tokens'), `- host-a ${journal.file.key}\n`)
    await site.start()
    await site.push(journal.directory)
    await expect(site.push(other.directory)).rejects.toThrow(refusal('JOURNAL_FOREIGN'))
  })

  test('whose journal is older than what was collected is refused', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    site.copy('host-a', 'old')
    addLoads(segment, 2)
    await site.push(journal.directory)
    site.copy('host-a', 'new')
    site.copy('old', 'host-a')
    const before = collectedOf(journal.directory)
    await expect(site.push(journal.directory)).rejects.toThrow(refusal('JOURNAL_ROLLBACK'))
    expect(collectedOf(journal.directory)).toEqual({ ...before, segments: {} })
    const event = site.events.at(-1)!
    expect(event).toMatchObject({ event: 'refused', code: 'JOURNAL_ROLLBACK', host: 'host-a' })
    expect(JSON.parse(readFileSync(event.evidence!, 'utf8'))).toMatchObject({
      sent: journal.notes[0],
      stored: journal.notes[1],
    })
    // Saying it again does not fill the disk.
    await expect(site.push(journal.directory)).rejects.toThrow(refusal('JOURNAL_ROLLBACK'))
    expect(readdirSync(join(site.directoryOf(journal), 'evidence'))).toHaveLength(1)
    site.copy('new', 'host-a')
    expect(await site.push(journal.directory)).toMatchObject({ commits: 0 })
  })

  test.runIf(process.platform !== 'win32')('sends no FIFO or directory in the place of a segment', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    const other = join(journal.directory, 'segments', '0000000000000-0000000000000000.jsonl')
    mkdirSync(other)
    utimesSync(other, 0, 0)
    expect(await site.push(journal.directory)).toMatchObject({ commits: 1 })
    addLoads(segment, 1)
    rmSync(segment.path)
    expect(spawnSync('mkfifo', [segment.path]).status).toBe(0)
    await expect(site.push(journal.directory)).rejects.toThrow(
      refusal('JOURNAL_INVALID', { message: expect.stringContaining('is not a regular file') as string }),
    )
  })

  test('that signs two histories is refused, and the other one is kept', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    await site.push(journal.directory)
    site.copy('host-a', 'copy')
    const [hash] = journal.tree.subtrees
    addLoads(segment, 1)
    await site.push(journal.directory)
    const stored = site.directoryOf(journal)
    const before = await verifyJournal(stored)
    // The copy goes on with the same key.
    Object.assign(journal, { directory: site.file('copy'), tree: new GrowingTree([{ level: 0, hash: hash! }]) })
    const other = journal.segment({ time: '2026-11-06T00:00:00.000Z' })
    addLoads(other, 1)
    await expect(site.push(journal.directory)).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
    expect(site.events.at(-1)).toMatchObject({ event: 'refused', code: 'JOURNAL_INCONSISTENT' })
    const sent = () => JSON.parse(readFileSync(site.events.at(-1)!.evidence!, 'utf8')) as { sent: unknown }
    expect(sent()).toMatchObject({ sent: journal.notes.at(-1) })
    // With more commits than were collected, its own side notices it, and shows the collector where the histories part.
    addLoads(other, 1)
    const events = site.events.length
    await expect(site.push(journal.directory)).rejects.toThrow(
      refusal('JOURNAL_INCONSISTENT', { message: expect.stringContaining('than this host') as string }),
    )
    expect(site.events.slice(events)).toMatchObject([
      { event: 'refused', code: 'JOURNAL_INCONSISTENT', host: 'host-a', journal: journal.file.id },
    ])
    expect(basename(site.events.at(-1)!.evidence!)).toMatch(/^fork-/)
    const commits = [1, 2].map((index) =>
      readFileSync(join(site.file('copy'), `commits/000000000${index}.json`), 'utf8'),
    )
    expect(sent()).toMatchObject({ sent: JSON.parse(commits[0]!) as unknown })
    const path = `/v1/journals/${journal.file.id}/commits`
    for (const content of [commits[0]!, commits[1]!]) {
      expect(await asked(site, 'POST', path, { content })).toMatchObject({
        status: 409,
        body: { error: { code: 'JOURNAL_INCONSISTENT' } },
      })
      expect(sent()).toMatchObject({ sent: JSON.parse(content) as unknown })
    }
    // What nobody signed is not evidence.
    const note = journal.notes.at(-1)!.replace(/[A-Za-z0-9+/]{43}=/, `${'A'.repeat(43)}=`)
    const question = JSON.stringify({ journal: readFileSync(join(journal.directory, 'journal.json'), 'utf8'), note })
    expect(await asked(site, 'POST', `/v1/journals/${journal.file.id}`, { content: question })).toMatchObject({
      status: 422,
    })
    expect(readdirSync(join(stored, 'evidence'))).toHaveLength(3)
    expect(await verifyJournal(stored)).toEqual(before)
  })

  test('whose journal.json or key changed is refused', async () => {
    const site = await Site.create()
    const { journal } = site.journal()
    await site.push(journal.directory)
    const created = readFileSync(join(journal.directory, 'journal.json'), 'utf8')
    const content = JSON.stringify({ journal: created.replace('2026-08-01', '2026-08-02'), note: journal.notes[0] })
    const answer = await asked(site, 'POST', `/v1/journals/${journal.file.id}`, { content })
    expect(['JOURNAL_INCONSISTENT', 'JOURNAL_INVALID']).toContain((answer.body.error as { code: string }).code)
  })
})

describe('a request', () => {
  test('that is repeated changes nothing', async () => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    addLoads(segment, 2)
    await site.push(journal.directory)
    const path = `/v1/journals/${journal.file.id}`
    const content = readFileSync(segment.path)
    const lines = `${path}/segments/${segment.id}`
    expect(await asked(site, 'PUT', `${lines}?offset=0`, { content })).toMatchObject({
      status: 200,
      body: { bytes: content.length },
    })
    // From a position that was not reached, the host learns where to go on.
    expect(await asked(site, 'PUT', `${lines}?offset=999999`, { content })).toMatchObject({
      status: 200,
      body: { bytes: content.length },
    })
    const commits = readdirSync(join(journal.directory, 'commits')).map((name) =>
      readFileSync(join(journal.directory, 'commits', name), 'utf8'),
    )
    expect(await asked(site, 'POST', `${path}/commits`, { content: commits.join('') })).toMatchObject({
      status: 200,
      body: { size: 2 },
    })
    expect(await asked(site, 'POST', `${path}/commits`, { content: commits[0]! })).toMatchObject({
      status: 200,
      body: { size: 2 },
    })
    const other = Buffer.from(content.toString('latin1').replace('"bytes":1', '"bytes":7'), 'latin1')
    expect(await asked(site, 'PUT', `${lines}?offset=0`, { content: other })).toMatchObject({
      status: 409,
      body: { error: { code: 'JOURNAL_INCONSISTENT' } },
    })
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 6 })
  })

  test.each<[string, string, string, { content?: string | Buffer; headers?: Record<string, string> }, number]>([
    ['with a path in place of a segment', 'PUT', '/segments/..%2f..%2fx?offset=0', {}, 404],
    ['with a path that leads elsewhere', 'PUT', '/segments/../../../x?offset=0', {}, 404],
    ['with another method', 'DELETE', '/commits', {}, 405],
    [
      'with content of 10 MB',
      'PUT',
      `/segments/${'1'.repeat(13)}-${'a'.repeat(16)}?offset=0`,
      { content: Buffer.alloc(10_000_000, 97) },
      413,
    ],
    [
      'with a line of 1 MB',
      'PUT',
      `/segments/${'1'.repeat(13)}-${'a'.repeat(16)}?offset=0`,
      { content: Buffer.alloc(1_000_000, 97) },
      422,
    ],
    [
      'with content that grows when it is decompressed',
      'PUT',
      `/segments/${'1'.repeat(13)}-${'a'.repeat(16)}?offset=0`,
      { content: gzipSync(Buffer.alloc(50_000_000)), headers: { 'content-encoding': 'gzip' } },
      415,
    ],
    ['with an offset that is not a number', 'PUT', `/segments/${'1'.repeat(13)}-${'a'.repeat(16)}?offset=-1`, {}, 400],
    ['with commits that are not', 'POST', '/commits', { content: '{}\n' }, 422],
    ['with too many commits', 'POST', '/commits', { content: '{}\n'.repeat(257) }, 413],
    ['with a question that is not JSON', 'POST', '', { content: '{' }, 400],
  ])('%s is refused', async (_, method, path, more, status) => {
    const site = await Site.create()
    const { journal } = site.journal()
    await site.push(journal.directory)
    const before = readdirSync(site.root)
    const answer = await asked(site, method, `/v1/journals/${journal.file.id}${path}`, more).catch(() => ({
      status: 413,
    }))
    expect(answer.status).toBe(status)
    expect(readdirSync(site.root)).toEqual(before)
    expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({ holds: true, records: 4, segments: 1 })
  })

  test('that arrives too slowly is ended', async () => {
    const site = await Site.create({ requestTimeout: 300 })
    const socket = connectTls({
      port: Number(new URL(site.collector.url).port),
      host: '127.0.0.1',
      ca: readFileSync(site.ca),
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.write('POST /v1/journals/x HTTP/1.1\r\nhost: x\r\n')
    const drip = setInterval(() => {
      if (socket.writable) socket.write('x: y\r\n')
    }, 50)
    onTestFinished(() => clearInterval(drip))
    await new Promise((resolve) => socket.once('close', resolve))
  })
})

/** Ends each connection after so many bytes from the host. */
async function cuttingProxy(target: string, after: () => number): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((client) => {
    const upstream = connect(Number(new URL(target).port), '127.0.0.1')
    let left = after()
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => (client.destroy(), upstream.destroy()))
    }
    upstream.pipe(client)
    client.on('data', (piece: Buffer) => {
      upstream.write(piece.subarray(0, left))
      left -= piece.length
      if (left <= 0) setImmediate(() => client.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a connection that breaks anywhere loses and doubles nothing', async () => {
  const site = await Site.create()
  const { journal, segment } = site.journal()
  let limit = 400
  const to = await cuttingProxy(site.collector.url, () => limit)
  let complete = 0
  for (; limit < 90_000; limit += 2_989) {
    addLoads(segment, 1)
    await site.push(journal.directory, { to }).then(
      () => (complete += 1),
      (error: unknown) => expect(error).toEqual(refusal('HTTP_UNREACHABLE')),
    )
  }
  expect(complete).toBeGreaterThan(0)
  await site.push(journal.directory)
  expect(await verifyJournal(site.directoryOf(journal))).toMatchObject({
    holds: true,
    records: 4 + 30,
    torn: 0,
    uncovered: 0,
  })
})

describe('a collector that answers wrongly', () => {
  /** @param answer of each request, to the question first */
  async function fake(answers: (string | number | undefined)[]): Promise<string> {
    const server = createServer((_, response) => {
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      if (answer === undefined) return
      response.statusCode = typeof answer === 'number' ? answer : 200
      response.end(typeof answer === 'number' ? '<html>' : answer)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => (server.closeAllConnections(), void server.close()))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const other = JSON.stringify({ size: 1, root: 'a'.repeat(64) })
  const none = JSON.stringify({ size: 0, root: '' })
  const taken = 'BYTES'
  test.each<[string, (string | number | undefined)[], string]>([
    ['with 500', [500], 'HTTP_RESPONSE'],
    ['with something else', ['<html>'], 'HTTP_RESPONSE'],
    ['without end', ['x'.repeat(1_000_000)], 'HTTP_RESPONSE'],
    ['not at all', [undefined], 'HTTP_TIMEOUT'],
    ['with another checkpoint', [other], 'JOURNAL_INCONSISTENT'],
    ['with more than there is', [JSON.stringify({ size: 9, root: 'a'.repeat(64) })], 'JOURNAL_ROLLBACK'],
    ['that it stores nothing', [none, JSON.stringify({ bytes: 0 })], 'HTTP_RESPONSE'],
    ['with no number of bytes', [none, JSON.stringify({ bytes: '1' })], 'HTTP_RESPONSE'],
    ['with another checkpoint at the end', [none, taken, other], 'JOURNAL_INCONSISTENT'],
    ['that it has more than it was sent', [none, JSON.stringify({ bytes: 1_000_000 }), none], 'HTTP_RESPONSE'],
    ['that it has no commits', [none, taken, none], 'HTTP_RESPONSE'],
    ['with the status of a redirect', [302], 'HTTP_RESPONSE'],
  ])('%s confirms nothing', async (_, answers, code) => {
    const site = await Site.create()
    const { journal, segment } = site.journal()
    const to = await fake(
      answers.map((answer) => (answer === taken ? JSON.stringify({ bytes: segment.bytes }) : answer)),
    )
    await expect(site.push(journal.directory, { to, timeout: 300 })).rejects.toThrow(refusal(code as never))
    expect(existsSync(join(journal.directory, 'collected.json'))).toBe(false)
  })

  test('or is not trusted, gets no token and confirms nothing', async () => {
    const site = await Site.create()
    const { journal } = site.journal()
    await expect(site.push(journal.directory, { ca: undefined })).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
    expect(existsSync(join(journal.directory, 'collected.json'))).toBe(false)
    expect(site.events).toEqual([])
  })

  test('or lost what it had confirmed is noticed', async () => {
    const site = await Site.create()
    const { journal } = site.journal()
    await site.push(journal.directory)
    const { port } = new URL(site.collector.url)
    await site.collector.close()
    rmSync(site.stored, { recursive: true })
    await site.start({}, `127.0.0.1:${port}`)
    const confirmed = collectedOf(journal.directory)
    await expect(site.push(journal.directory)).rejects.toThrow(
      refusal('JOURNAL_ROLLBACK', { hint: expect.stringContaining('collected.json') }),
    )
    // It is noticed again, and nothing is deleted that only the collector was thought to have.
    expect(collectedOf(journal.directory)).toEqual({ ...confirmed, segments: {} })
    rmSync(join(journal.directory, 'collected.json'))
    expect(await site.push(journal.directory)).toMatchObject({ size: 1, commits: 1 })
  })
})

test('a host that follows waits while the collector is away, and then sends everything', async () => {
  const site = await Site.create()
  const { journal, segment } = site.journal()
  const { port } = new URL(site.collector.url)
  await site.collector.close()
  const ended = new AbortController()
  const events: PushEvent[] = []
  const pushed = site.push(journal.directory, {
    follow: true,
    interval: 20,
    signal: ended.signal,
    onEvent: (event) => events.push(event),
  })
  await vi.waitFor(() => expect(events).toMatchObject([{ error: { code: 'HTTP_UNREACHABLE' } }]), { timeout: 20_000 })
  addLoads(segment, 1)
  await site.start({}, `127.0.0.1:${port}`)
  await vi.waitFor(() => expect(events).toContainEqual({ sent: { bytes: segment.bytes, commits: 2, size: 2 } }), {
    timeout: 20_000,
  })
  addLoads(segment, 1)
  await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ sent: { commits: 1, size: 3 } }), { timeout: 20_000 })
  ended.abort()
  expect(await pushed).toEqual({ bytes: segment.bytes, commits: 3, size: 3 })
})

describe('options', () => {
  test.each<[object, RegExp]>([
    [{ tokens: undefined }, /tokens/],
    [{ tlsKey: undefined }, /tlsCert/],
    [{ plainHttp: true }, /plainHttp/],
    [{ plainHttp: true, listen: '0.0.0.0:0', tlsCert: undefined, tlsKey: undefined }, /loopback/],
    [{ listen: 'x' }, /HOST:PORT/],
    [{ maxJournals: 0 }, /maxJournals/],
  ])('of a collector: %j is refused', async (options, message) => {
    const site = await Site.create()
    await site.collector.close()
    await expect(site.start(options)).rejects.toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringMatching(message) }),
    )
  })

  test('files of tokens that others can read, or with other lines, are refused', async () => {
    const site = await Site.create()
    await site.collector.close()
    writeFileSync(site.file('open'), '', { mode: 0o644 })
    await expect(site.start({ tokens: site.file('open') })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
    const key = { tokenFile: undefined, clientCert: site.file('server.pem'), clientKey: site.file('open') }
    await expect(site.push('x', key)).rejects.toThrow(refusal('INVALID_ARGUMENT', { file: site.file('open') }))
    writeFileSync(site.file('bad'), 'my-secret-token host-a\n', { mode: 0o600 })
    const error = (await site.start({ tokens: site.file('bad') }).catch((thrown: unknown) => thrown)) as Error
    expect(error).toEqual(refusal('INVALID_ARGUMENT', { line: 1 }))
    expect(error.message).not.toContain('secret')
  })

  test.each([
    ['http://collector.example', '"http://collector.example"'],
    ['https://user:pass@x', '"https://x" with a user'],
    ['https://x/path?token=secret', '"https://x" with a path and a query or fragment'],
    ['ftp://x', '"ftp://x"'],
    ['localhost:8443', 'a URL with the scheme "localhost:"'],
    ['user:pass@x', 'a URL with the scheme "user:"'],
    ['x', 'something else'],
  ])('of a host: %s is refused, and what is secret in it is not shown', async (to, found) => {
    await expect(pushJournal('x', { to })).rejects.toThrow(refusal('INVALID_ARGUMENT', { found }))
  })
})

test.each([
  ['CN=host-a', undefined, 'host-a'],
  ['CN=x', 'DNS:host-a', 'host-a'],
  ['CN=host-a', 'DNS:host-b, DNS:host-c', undefined],
  ['CN=host-a\nCN=host-b', undefined, undefined],
  ['CN=x', 'DNS:"host-a, DNS:host-b"', 'x'],
  ['O=x', 'IP Address:127.0.0.1', undefined],
])('the host of %j with the names %j is %s', (subject, subjectAltName, host) => {
  expect(hostOf({ subject, subjectAltName })).toBe(host)
})
