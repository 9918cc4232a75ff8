import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyJournal } from '@modelseal/core/journal'
import { beforeEach, describe, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../core/src/testing/journals.ts'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { TestWitnessKey } from '../../../core/src/testing/witness.ts'
import { TestWitness } from '../testing/witness.ts'
import { witnessJournal, type WitnessEvent, type WitnessOptions } from './witness-journal.ts'

let root: string
let directory: string
let journal: TestJournal
let segment: TestSegment
let witness: TestWitness

beforeEach(async () => {
  root = scratch()
  ;({ directory, journal, segment } = begin('journal'))
  witness = await TestWitness.start()
})

/** A journal with the same key, wherever it is. */
function begin(name: string) {
  const path = join(root, name)
  mkdirSync(path)
  const begun = new TestJournal(path, 'host-a')
  const own = { directory: path, journal: begun, segment: begun.segment() }
  commit(2, own.segment)
  return own
}

function commit(count: number, to = segment): void {
  for (let index = 0; index < count; index++) {
    to.add(loadRecord({ bytes: index }))
    to.commit()
  }
}

function witnessed(options: Partial<WitnessOptions> = {}, path = directory) {
  return witnessJournal(path, { to: witness.url, witnessKey: witness.key.vkey, ...options })
}

const sizesAsked = () => witness.requests.map((text) => text.slice(0, text.indexOf('\n')))
const { name } = new TestWitnessKey()

describe('a witness', () => {
  test('cosigns the newest checkpoint, by which the journal is verified', async () => {
    const first = (await witnessed())!
    expect(first).toMatchObject({ size: 2, witness: name, time: '2026-11-18T11:06:40.000Z' })
    commit(5)
    const second = (await witnessed())!
    expect(second).toMatchObject({ size: 7, root: journal.tree.root().toString('hex'), file: first.file })
    expect(sizesAsked()).toEqual(['old 0', 'old 2'])
    expect(second.file).toBe(join(directory, `witnessed-${witness.key.vkey.split('+')[1]}.checkpoint`))
    expect(readFileSync(second.file, 'utf8')).toBe(witness.key.cosigned(journal.notes[6]!))
    commit(1)
    const checked = { checkpoint: second.file, witnessKey: witness.key.vkey }
    expect(await verifyJournal(directory, checked)).toMatchObject({ holds: true, compared: 7, witness: { name } })
  })

  test('is asked again where nothing was added, for a newer time', async () => {
    await witnessed()
    expect(await witnessed()).toMatchObject({ size: 2 })
    expect(sizesAsked()).toEqual(['old 0', 'old 2'])
  })

  test('says which state it has if the file is lost, or is that of somebody else', async () => {
    await witnessed()
    commit(3)
    const output = join(root, 'elsewhere')
    expect(await witnessed({ output })).toMatchObject({ size: 5, file: output })
    expect(sizesAsked()).toEqual(['old 0', 'old 0', 'old 2'])
    commit(1)
    // The other file is older than what the witness has.
    expect(await witnessed()).toMatchObject({ size: 6 })
  })

  test('keeps only signatures of the host and of the witness', async () => {
    const other = new TestWitnessKey('witness.example/w2')
    witness.trick = (response) => {
      response.end(other.line(journal.notes[1]!) + witness.key.line(journal.notes[1]!))
      return true
    }
    const { file } = (await witnessed())!
    expect(readFileSync(file, 'utf8')).toBe(witness.key.cosigned(journal.notes[1]!))
  })
})

describe('what a host did to its journal shows', () => {
  test('an older state', async () => {
    cpSync(directory, join(root, 'old'), { recursive: true })
    commit(3)
    await witnessed()
    await expect(witnessed({}, join(root, 'old'))).rejects.toThrow(
      refusal('JOURNAL_ROLLBACK', { expected: 'at least 5 commits', found: '2' }),
    )
    // Also if the file was put back with it, or is kept elsewhere.
    const output = join(root, 'kept')
    await witnessed({ output })
    witness.requests = []
    await expect(witnessed({ output }, join(root, 'old'))).rejects.toThrow(refusal('JOURNAL_ROLLBACK'))
    expect(witness.requests).toEqual([])
  })

  test('another history, longer or of the same length', async () => {
    const { file } = (await witnessed())!
    const kept = readFileSync(file, 'utf8')
    rmSync(directory, { recursive: true })
    mkdirSync(directory)
    const other = new TestJournal(directory, 'host-a').segment({ pid: 1 })
    commit(2, other)
    await expect(witnessed()).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
    commit(1, other)
    await expect(witnessed()).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
    expect(sizesAsked()).toEqual(['old 0', 'old 0', 'old 2', 'old 0', 'old 2'])
    // With the cosigned checkpoint, it shows without the witness.
    const output = join(root, 'kept')
    writeFileSync(output, kept)
    witness.requests = []
    await expect(witnessed({ output })).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
    expect(witness.requests).toEqual([])
  })

  test('commits that are gone, or not signed by its key', async () => {
    await witnessed()
    commit(3)
    rmSync(join(directory, 'commits/0000000001.json'))
    await expect(witnessed()).rejects.toThrow(refusal('JOURNAL_INVALID'))
    const path = join(directory, 'commits/0000000004.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"time":"2026/, '"time":"2025'))
    rmSync(join(directory, `witnessed-${witness.key.vkey.split('+')[1]}.checkpoint`))
    await expect(witnessed()).rejects.toThrow(refusal('JOURNAL_INVALID'))
  })

  test.each([
    [
      'of another journal',
      () => witness.key.cosigned(new TestJournal(join(root, 'x'), 'host-b').notes[0] ?? noteOfOther()),
    ],
    ['that the witness did not cosign', () => journal.notes[0]!],
    ['that was cut', () => witness.key.cosigned(journal.notes[0]!).slice(0, -20)],
    ['that is none', () => 'nothing'],
  ])('a file with a checkpoint %s is refused, not replaced', async (_, content) => {
    const output = join(root, 'kept')
    writeFileSync(output, content())
    const before = readFileSync(output, 'utf8')
    await expect(witnessed({ output })).rejects.toThrow(refusal('JOURNAL_INVALID', { file: output }))
    expect(readFileSync(output, 'utf8')).toBe(before)
    expect(witness.requests).toEqual([])
  })

  function noteOfOther(): string {
    const other = new TestJournal(join(root, 'other'), 'host-b')
    commit(1, other.segment())
    return other.notes[0]!
  }
})

describe('a witness that misbehaves', () => {
  const answers = (status: number, headers: Record<string, string>, body: string | (() => string)) => () => {
    witness.trick = (response) => {
      response.writeHead(status, headers).end(typeof body === 'string' ? body : body())
      return true
    }
  }
  const SIZE = { 'content-type': 'text/x.tlog.size' }

  test.each([
    ['an error', 'HTTP_RESPONSE', answers(500, {}, 'no')],
    ['a page', 'HTTP_RESPONSE', answers(200, { 'content-type': 'text/html' }, '<!doctype html><p>Welcome')],
    ['nothing', 'HTTP_RESPONSE', answers(200, {}, '')],
    ['too much', 'HTTP_RESPONSE', answers(200, {}, '\u2014'.repeat(100_000))],
    ['half of a line', 'HTTP_RESPONSE', answers(200, {}, () => witness.key.line(journal.notes[1]!).slice(0, -9))],
    ['another checkpoint', 'HTTP_RESPONSE', answers(200, {}, () => witness.key.cosigned(journal.notes[0]!))],
    ['a text more', 'HTTP_RESPONSE', answers(200, {}, () => `\n\n${witness.key.line(journal.notes[1]!)}`)],
    ['a size that is none', 'HTTP_RESPONSE', answers(409, SIZE, '-1\n')],
    ['the size that was sent', 'HTTP_RESPONSE', answers(409, SIZE, '0\n')],
    ['a bad request', 'HTTP_RESPONSE', answers(400, {}, '')],
    ['a redirect', 'HTTP_REDIRECT', answers(307, { location: 'http://127.0.0.1:1/' }, '')],
    ['a redirect that drops what was sent', 'HTTP_REDIRECT', answers(302, { location: '/' }, '')],
    ['a larger size', 'JOURNAL_ROLLBACK', answers(409, SIZE, '9000000000000000\n')],
    ['a conflict without a size', 'JOURNAL_INCONSISTENT', answers(409, {}, '')],
    ['that the proof is wrong', 'JOURNAL_INCONSISTENT', answers(422, {}, '')],
    ['that it does not know the log', 'JOURNAL_FOREIGN', answers(404, {}, '')],
    ['that it does not know the key', 'JOURNAL_FOREIGN', answers(403, {}, '')],
    [
      'a signature by another key',
      'KEY_MISMATCH',
      answers(200, {}, () => new TestWitnessKey().line(journal.notes[1]!)),
    ],
    ['a signature of another checkpoint', 'KEY_MISMATCH', answers(200, {}, () => witness.key.line(journal.notes[0]!))],
  ] as const)('and answers %s is refused', async (_, code, misbehave) => {
    misbehave()
    const output = join(root, 'kept')
    await expect(witnessed({ output })).rejects.toThrow(refusal(code))
    expect(existsSync(output)).toBe(false)
  })

  test('and never answers, or ends the connection, is given up', async () => {
    witness.trick = () => true
    await expect(witnessed({ timeout: 200 })).rejects.toThrow(refusal('HTTP_TIMEOUT'))
    witness.trick = (response) => {
      const timer = setInterval(() => response.write('\u2014'), 20)
      response.on('close', () => clearInterval(timer))
      return true
    }
    await expect(witnessed({ timeout: 200 })).rejects.toThrow(refusal('HTTP_TIMEOUT'))
    witness.trick = (response) => (response.destroy(), true)
    await expect(witnessed()).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  })

  test('and names ever other sizes is given up', async () => {
    commit(30)
    let size = 0
    witness.trick = (response) => (response.writeHead(409, SIZE).end(`${++size}\n`), true)
    await expect(witnessed()).rejects.toThrow(refusal('HTTP_RESPONSE'))
    expect(witness.requests).toHaveLength(8)
  })

  test('and has forgotten what it cosigned is reported', async () => {
    commit(3)
    await witnessed()
    witness.seen = { ...witness.seen, size: 1 }
    await expect(witnessed()).rejects.toThrow(
      refusal('JOURNAL_ROLLBACK', { expected: 'at least 5 commits', found: '1' }),
    )
  })
})

describe('following', () => {
  test('waits while the witness is away, and loses nothing', async () => {
    let isAway = true
    witness.trick = (response) => {
      if (isAway) response.writeHead(503).end()
      return isAway
    }
    const events: WitnessEvent[] = []
    const stop = new AbortController()
    const report = await witnessed({
      follow: true,
      interval: 10,
      signal: stop.signal,
      onEvent: (event) => {
        events.push(event)
        isAway = false
        if (events.length === 2) commit(4)
        if ('witnessed' in event && event.witnessed.size === 6) stop.abort()
      },
    })
    expect(report).toMatchObject({ size: 6 })
    expect(events[0]).toMatchObject({ error: { code: 'HTTP_RESPONSE' } })
    expect(events[1]).toMatchObject({ witnessed: { size: 2 } })
  })

  test('waits for the first checkpoint, and ends with what time does not heal', async () => {
    const empty = new TestJournal(join(root, 'empty'), 'host-b')
    await expect(witnessed({}, empty.directory)).rejects.toThrow(refusal('FILE_NOT_FOUND'))
    const events: WitnessEvent[] = []
    const options = { follow: true, interval: 10, onEvent: (event: WitnessEvent) => void events.push(event) }
    const stop = AbortSignal.timeout(200)
    expect(await witnessed({ ...options, signal: stop }, empty.directory)).toBeUndefined()
    expect(events).toMatchObject([{ error: { code: 'FILE_NOT_FOUND' } }])
    witness.trick = (response) => (response.writeHead(422).end(), true)
    await expect(witnessed(options)).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
  })
})

test('says if the file cannot be written, and is cosigned again then', async () => {
  const output = join(root, 'no/kept')
  await expect(witnessed({ output })).rejects.toThrow(refusal('FILE_WRITE_FAILED', { file: output }))
  mkdirSync(join(root, 'no'))
  expect(await witnessed({ output })).toMatchObject({ size: 2 })
  expect(sizesAsked()).toEqual(['old 0', 'old 0', 'old 2'])
})

test.each([
  ['http://witness.example', 'INVALID_ARGUMENT'],
  ['https://user:secret@witness.example', 'INVALID_ARGUMENT'],
  ['https://witness.example/?token=secret', 'INVALID_ARGUMENT'],
  ['nothing', 'INVALID_ARGUMENT'],
] as const)('refuses the URL %s', async (to, code) => {
  const error: unknown = await witnessed({ to }).catch((reason: unknown) => reason)
  expect(error).toEqual(refusal(code))
  expect(JSON.stringify(error)).not.toContain('secret')
})

test('refuses a key of another kind, and an interval that is none', async () => {
  await expect(witnessed({ witnessKey: journal.file.key })).rejects.toThrow(refusal('KEY_INVALID'))
  await expect(witnessed({ key: new TestJournal(join(root, 'b'), 'host-b').file.key })).rejects.toThrow(
    refusal('KEY_MISMATCH'),
  )
  await expect(witnessed({ interval: 0 })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  await expect(witnessed({ timeout: 2 ** 31 })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
})
