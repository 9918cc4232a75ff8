import { hash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { verifyJournal } from '../../../../packages/core/src/journal/reading/verify-journal.ts'
import { loadRecord, TestJournal } from '../../../../packages/core/src/testing/journals.ts'
import type { Senders } from '../../../../packages/journal/src/collecting/senders.ts'
import { Answering } from '../../../../packages/journal/src/collecting/serving/answering.ts'
import type { Connections } from '../../../../packages/journal/src/collecting/serving/connections.ts'
import { Events } from '../../../../packages/journal/src/collecting/serving/events.ts'
import { StoredJournals } from '../../../../packages/journal/src/collecting/storing/stored-journals.ts'
import { scratchOf } from '../../scratch.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

// An input has the requests of a host to a collector: a line with method and path, and the content. CHECK stands for what follows
// from the line before. The requests of a journal with two commits are named: Q1, Q2, L1, L2, C1, C2.

const BETWEEN = '\n--\n'
const HOST = 'host-a'
const CLOSE = '{"time":"2026-11-02T10:00:00.000Z","type":"close","~check":"CHECK"}\n'
const root = scratchOf('collector')
const sent = requestsOfHost()

const target: Target = {
  longest: 6000,
  dictionary: [
    BETWEEN,
    'POST ',
    'PUT ',
    sent.path,
    `${sent.path}/commits`,
    sent.segment,
    '?offset=0',
    `?without=${sent.id}`,
    ',"~check":"CHECK"}\n',
    CLOSE,
    ...sent.named.keys(),
  ],
  seeds: () =>
    texts(
      ['Q1', 'L1', 'C1', 'Q2', 'L2', 'C2'].join(BETWEEN),
      ['Q2', 'L1', 'L2', 'C1', 'C2', 'Q1'].join(BETWEEN),
      ['Q1', 'C1', 'L2', 'C2', 'L1'].join(BETWEEN),
      ['Q1', 'L1', `PUT ${sent.segment}?offset=OFFSET\n{"type":"close","time":"x","~check":"CHECK"}\n`].join(BETWEEN),
      ['Q1', `PUT ${sent.segment}?offset=0\n${CLOSE}`].join(BETWEEN),
      ['Q1', `PUT ${sent.segment}?offset=0\n${sent.lines}${CLOSE}${sent.lines}`].join(BETWEEN),
      ['Q1', 'L1', `PUT ${sent.segment}?offset=0\n${sent.lines}`].join(BETWEEN),
      ['Q1', `POST ${sent.path}/commits?without=${sent.id}\n${sent.commits}`].join(BETWEEN),
      `POST ${sent.path}\n${sent.question}`,
      `GET ${sent.path}`,
    ),
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const directory = join(root, 'stored')
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { mode: 0o700 })
    const collector = await Collector.open(directory)
    for (const request of text.split(BETWEEN)) await collector.ask(sent.named.get(request) ?? request)
    for (const id of readdirSync(directory)) {
      const state = await collector.ask(sent.named.get('Q2') ?? '')
      // After a restart, it has what it confirmed.
      mustEqual(await (await Collector.open(directory)).ask(sent.named.get('Q2') ?? ''), state, 'The state')
      const { problems } = await verifyJournal(join(directory, id))
      // What the host deleted is missing; which writer filled a segment is for those who read the journal.
      const own = problems.filter(
        ({ kind }) => kind !== 'reference' && !(collector.isMissing && /^(missing|truncated)$/.test(kind)),
      )
      mustEqual(own, [], 'What is wrong with the stored journal')
    }
  },
}
export default target

const EXPECTED = new Set([200, 400, 403, 404, 405, 409, 413, 422])

/** Without a network. */
class Collector {
  readonly #answering: Answering
  readonly #journals: StoredJournals
  readonly #notices: readonly string[]
  /** Why a request failed. */
  #failure: string | undefined

  private constructor(journals: StoredJournals, notices: readonly string[]) {
    const senders = { of: () => ({ host: HOST }) } as unknown as Senders
    const connections = { admit: () => true } as unknown as Connections
    const events = new Events(({ message }) => (this.#failure = message))
    this.#answering = new Answering({ senders, events, connections })
    this.#journals = journals
    this.#notices = notices
  }

  static async open(directory: string): Promise<Collector> {
    const notices: string[] = []
    const journals = await StoredJournals.open({
      ...{ directory, senders: { keysOf: () => [] } as unknown as Senders, maxJournals: 4 },
      ...{ created: () => undefined, notice: (_, event) => void notices.push(event) },
    })
    return new Collector(journals, notices)
  }

  /** Whether the host deleted records before they were collected. */
  get isMissing(): boolean {
    return this.#notices.includes('missing')
  }

  async ask(request: string): Promise<unknown> {
    const [line = '', ...lines] = request.split(/(?<=\n)/)
    const [method, url] = line.trimEnd().split(' ')
    const content = Buffer.from(withChecks(lines))
    const incoming = Object.assign(Readable.from(content.length > 0 ? [content] : []), {
      ...{ method, url, complete: true, socket: {}, headers: { 'content-length': String(content.length) } },
    })
    let answer = { status: 0, text: '' }
    const response = {
      setHeader: () => undefined,
      writeHead: (status: number) => (answer = { status, text: '' }),
      end: (text: string) => (answer.text = text),
    }
    await this.#answering.answer(
      this.#journals,
      incoming as unknown as IncomingMessage,
      response as unknown as ServerResponse,
    )
    if (!EXPECTED.has(answer.status)) throw new Error(`The answer has the status ${answer.status}: ${this.#failure}`)
    return JSON.parse(answer.text)
  }
}

/** The check of each line is a part of a digest over it and the one before. */
function withChecks(lines: readonly string[]): string {
  let before = sent.id
  return lines
    .map((line) => {
      const end = line.indexOf(',"~check":"')
      if (end < 0) return line
      const check = hash('sha256', before + line.slice(0, end), 'hex').slice(0, 16)
      before = /"~check":"([0-9a-f]{16})"/.exec(line)?.[1] ?? check
      return line.replace('"CHECK"', `"${check}"`)
    })
    .join('')
}

function requestsOfHost() {
  const directory = join(root, 'journal')
  mkdirSync(directory)
  const journal = new TestJournal(directory, HOST)
  const segment = journal.segment()
  segment.add(loadRecord())
  segment.commit()
  const first = segment.bytes
  segment.add(loadRecord({ bytes: 2 }))
  segment.close()
  const text = readFileSync(join(directory, 'journal.json'), 'utf8')
  const lines = readFileSync(segment.path)
  const commits = readdirSync(join(directory, 'commits'))
    .sort()
    .map((name) => readFileSync(join(directory, 'commits', name), 'utf8'))
  const path = `/v1/journals/${journal.file.id}`
  const segmentPath = `${path}/segments/${segment.id}`
  const questions = journal.notes.map((note) => JSON.stringify({ journal: text, note }))
  const named = new Map([
    ...questions.map((question, index) => [`Q${index + 1}`, `POST ${path}\n${question}`] as const),
    ['L1', `PUT ${segmentPath}?offset=0\n${lines.toString('utf8', 0, first)}`],
    ['L2', `PUT ${segmentPath}?offset=${first}\n${lines.toString('utf8', first)}`],
    ...commits.map((commit, index) => [`C${index + 1}`, `POST ${path}/commits\n${commit}`] as const),
  ])
  return {
    ...{ path, segment: segmentPath, id: segment.id, named, commits: commits.join('') },
    ...{ lines: lines.toString().replace(/"~check":"\w+"/g, '"~check":"CHECK"'), question: questions[0] ?? '' },
  }
}
