import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError } from '@modelseal/core/errors'
import { PACKED, readCommit, type Commit } from '@modelseal/core/journal'
import { keepEvidence } from '../storing/evidence.ts'
import { MAX_CONTENT, MAX_QUESTION, MAX_WITHOUT, targetIn, type JournalQuestion, type Target } from '../protocol.ts'
import { Refused } from '../storing/refused.ts'
import type { Connections } from './connections.ts'
import type { Events } from './events.ts'
import { BadRequest, contentOf } from './request-content.ts'
import { Slots } from './slots.ts'
import type { Sender, Senders } from '../senders.ts'
import type { StoredJournals } from '../storing/stored-journals.ts'

interface Parts {
  senders: Senders
  events: Events
  connections: Connections
}

/** Answers the requests of hosts. */
export class Answering {
  readonly #senders: Senders
  readonly #events: Events
  readonly #connections: Connections
  readonly #slots = new Slots()
  readonly #running = new Set<Promise<void>>()

  constructor({ senders, events, connections }: Parts) {
    this.#senders = senders
    this.#events = events
    this.#connections = connections
  }

  async answer(journals: StoredJournals, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const work = this.#answer(journals, request, response)
    this.#running.add(work)
    await work
    this.#running.delete(work)
  }

  /** Waits until all requests are answered. */
  async finished(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #answer(journals: StoredJournals, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sender = this.#senders.of(request)
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const target = targetIn(path)
    try {
      if (!sender) throw new BadRequest(401, `the sender is unknown: ${this.#senders.whyUnknown(request)}`)
      if (!target) throw new BadRequest(404, 'there is nothing at this path')
      if (request.method !== (target.segment === undefined ? 'POST' : 'PUT'))
        throw new BadRequest(405, 'this method is not accepted')
      if (!this.#connections.admit(request.socket, sender.host))
        throw new BadRequest(503, 'this host has too many connections')
      const end = await this.#slots.take(sender.host)
      try {
        const content = await contentOf(request, isQuestion(target) ? MAX_QUESTION : MAX_CONTENT)
        send(response, 200, await resultOf(journals, { target, sender, query: new URLSearchParams(query), content }))
      } finally {
        end()
      }
    } catch (error) {
      const { status, body } = await this.#refusal(error, { journals, sender, target })
      if (status === 503) response.setHeader('retry-after', '1')
      // The rest of the content is not read, and strangers and connections that are too many go.
      if (!request.complete || status === 401 || status === 503) response.setHeader('connection', 'close')
      send(response, status, body)
    }
  }

  async #refusal(
    error: unknown,
    { journals, sender, target }: { journals: StoredJournals; sender: Sender | undefined; target: Target | undefined },
  ): Promise<{ status: number; body: object }> {
    const about = { ...(sender && { host: sender.host }), ...(target && { journal: target.journal }) }
    if (error instanceof BadRequest) {
      const { status, message } = error
      this.#events.reportFrequent({ event: 'refused', ...about, message: `${status}: ${message}` })
      return { status, body: { error: { message } } }
    }
    if (error instanceof Refused) {
      const { code, message, expected, found } = error
      const directory = target && journals.directoryOf(target.journal)
      const kept = directory === undefined ? undefined : await keepEvidence(directory, error).catch(() => undefined)
      const event = { event: 'refused', ...about, code, message, ...(kept && { evidence: kept.file }) } as const
      if (kept?.isNew) this.#events.report(event)
      else this.#events.reportFrequent(event)
      return { status: STATUS[code] ?? 422, body: { error: { code, message, expected, found } } }
    }
    // Paths on this machine do not concern the host.
    const code = error instanceof ModelSealError ? error.code : ((error as NodeJS.ErrnoException).code ?? 'INTERNAL')
    this.#events.reportFrequent({ event: 'failed', ...about, code, message: messageOf(error) })
    const isFull = FULL.has(code)
    const message = isFull ? 'the disk of the collector is full' : 'the collector cannot store the journal'
    return { status: isFull ? 507 : 500, body: { error: { message } } }
  }
}

const STATUS: Readonly<Partial<Record<string, number>>> = {
  JOURNAL_ROLLBACK: 409,
  JOURNAL_INCONSISTENT: 409,
  JOURNAL_FOREIGN: 403,
}

/** Codes of the operating system. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

function isQuestion({ segment, isCommits }: Target): boolean {
  return segment === undefined && !isCommits
}

interface Asked {
  target: Target
  sender: Sender
  query: URLSearchParams
  content: Buffer
}

async function resultOf(journals: StoredJournals, { target, sender, query, content }: Asked): Promise<object> {
  const { journal: id, segment } = target
  if (isQuestion(target)) return journals.ask(id, sender, questionIn(content))
  if (segment !== undefined) {
    const offset = query.get('offset') ?? ''
    if (!/^\d{1,15}$/.test(offset)) throw new BadRequest(400, 'the offset is not a number')
    return journals.use(id, sender, async (stored) => ({
      bytes: await stored.appendLines(segment, Number(offset), content),
    }))
  }
  const without = (query.get('without') ?? '').split(',').filter(Boolean)
  if (without.length > MAX_WITHOUT) throw new BadRequest(400, 'it names too many segments')
  const commits = commitsIn(content)
  return journals.use(id, sender, async (stored) => {
    await stored.appendCommits(commits, new Set(without))
    return stored.state
  })
}

function questionIn(content: Buffer): JournalQuestion {
  let parsed: Partial<JournalQuestion> | null
  try {
    parsed = JSON.parse(content.toString()) as Partial<JournalQuestion> | null
  } catch {
    throw new BadRequest(400, 'the content is not JSON')
  }
  const { journal, note } = parsed ?? {}
  if (typeof journal !== 'string' || typeof note !== 'string')
    throw new BadRequest(400, 'the content is not understood')
  return { journal, note }
}

function commitsIn(content: Buffer): Commit[] {
  const lines = content.toString().split(/(?<=\n)/)
  if (lines.length > PACKED) throw new BadRequest(413, `at most ${PACKED} commits are accepted`)
  return lines.map((line) => {
    const read = readCommit(line)
    if (!('commit' in read)) throw new Refused('JOURNAL_INVALID', `a commit is invalid: ${read.fault}`)
    return read.commit
  })
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
