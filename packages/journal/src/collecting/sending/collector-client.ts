import { Agent as PlainAgent, request as plainRequest, type IncomingMessage } from 'node:http'
import { Agent, request as secureRequest } from 'node:https'
import { clearTimeout, setTimeout } from 'node:timers'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkPrivateFile } from '@modelseal/core/journal'
import { remoteUrl } from '../../remote-url.ts'
import { milliseconds } from '../../repeating.ts'
import { MAX_ANSWER, pathOf, type CollectedState, type JournalQuestion, type Target } from '../protocol.ts'

/** Where a journal is sent, and how the host proves who it is. */
export interface ClientOptions {
  to: string
  tokenFile?: string | undefined
  clientCert?: string | undefined
  clientKey?: string | undefined
  ca?: string | undefined
  timeout?: number | undefined
  signal?: AbortSignal | undefined
}

interface Credentials {
  token?: string
  cert?: Buffer
  key?: Buffer
  ca?: Buffer
}

const MAX_PEM_BYTES = 1024 * 1024
const DEFAULT_TIMEOUT = 60_000

/** Asks a collector. Each request may be repeated. */
export class CollectorClient {
  readonly #url: URL
  readonly #credentials: Credentials
  readonly #agent: PlainAgent | Agent
  readonly #timeout: number
  readonly #signal: AbortSignal | undefined

  private constructor(url: URL, credentials: Credentials, { timeout = DEFAULT_TIMEOUT, signal }: ClientOptions) {
    const { cert, key, ca } = credentials
    const tls = { ...(cert && { cert }), ...(key && { key }), ...(ca && { ca }), minVersion: 'TLSv1.2' as const }
    this.#url = url
    this.#credentials = credentials
    this.#agent = isSecure(url)
      ? new Agent({ keepAlive: true, maxSockets: 1, ...tls })
      : new PlainAgent({ keepAlive: true, maxSockets: 1 })
    this.#timeout = milliseconds('timeout', timeout)
    this.#signal = signal
  }

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT`, and what reading the files throws */
  static async create(options: ClientOptions): Promise<CollectorClient> {
    const url = remoteUrl(options.to, EXPECTED, ({ pathname }) => pathname === '/')
    return new CollectorClient(url, await credentialsFrom(options), options)
  }

  /** The collector, for people and for `collected.json`. */
  get url(): string {
    return this.#url.href
  }

  async ask(journal: string, question: JournalQuestion): Promise<CollectedState> {
    return stateIn(await this.#json('POST', pathOf({ journal, isCommits: false }), JSON.stringify(question)))
  }

  /** @returns how many bytes of the segment are stored */
  async sendLines(
    target: Required<Pick<Target, 'journal' | 'segment'>>,
    offset: number,
    lines: Buffer,
  ): Promise<number> {
    const answer = await this.#json('PUT', `${pathOf({ ...target, isCommits: false })}?offset=${offset}`, lines)
    const { bytes } = answer
    if (Number.isSafeInteger(bytes) && (bytes as number) >= 0) return bytes as number
    throw misunderstood()
  }

  async sendCommits(journal: string, commits: string, without: readonly string[]): Promise<CollectedState> {
    const query = without.length === 0 ? '' : `?without=${without.join(',')}`
    return stateIn(await this.#json('POST', `${pathOf({ journal, isCommits: true })}${query}`, commits))
  }

  close(): void {
    this.#agent.destroy()
  }

  async #json(method: string, path: string, content: string | Buffer): Promise<Readonly<Record<string, unknown>>> {
    const { status, text } = await this.#exchange(method, path, content)
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      if (status < 300) throw misunderstood()
    }
    const answer = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>
    if (status === 200) return answer
    throw refusalIn(status, answer.error)
  }

  #exchange(method: string, path: string, content: string | Buffer): Promise<{ status: number; text: string }> {
    const { token } = this.#credentials
    const send = isSecure(this.#url) ? secureRequest : plainRequest
    return new Promise((resolve, reject) => {
      const request = send(new URL(path, this.#url), {
        method,
        agent: this.#agent,
        ...(this.#signal && { signal: this.#signal }),
        headers: {
          'content-length': Buffer.byteLength(content),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
      })
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        request.destroy(new Error('late'))
      }, this.#timeout)
      const failed = (error: unknown) => {
        clearTimeout(timer)
        reject(this.#failure(error, isLate))
      }
      request.on('error', failed)
      request.on('response', (response) => {
        answerIn(response).then((text) => {
          clearTimeout(timer)
          resolve({ status: response.statusCode ?? 0, text })
        }, failed)
      })
      request.end(content)
    })
  }

  #failure(error: unknown, isLate: boolean): ModelSealError {
    const where = shown(this.#url.origin)
    if (error instanceof ModelSealError) return error
    if (this.#signal?.aborted) return new ModelSealError('ABORTED', 'The journal is not sent any more: it was aborted.')
    if (isLate)
      return new ModelSealError('HTTP_TIMEOUT', `Cannot send the journal to ${where}: it did not answer in time.`, {
        expected: `an answer within ${this.#timeout} ms`,
      })
    const { code, message } = error as NodeJS.ErrnoException
    return new ModelSealError(
      'HTTP_UNREACHABLE',
      `Cannot send the journal to ${where}: the collector could not be reached, is not trusted, or closed the connection.`,
      {
        found: shown(code ?? message),
        hint: 'Check the URL, the network, and the authorities of its certificate ("ca").',
      },
    )
  }
}

async function answerIn(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > MAX_ANSWER) throw misunderstood()
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function stateIn({ size, root }: Readonly<Record<string, unknown>>): CollectedState {
  const isSize = Number.isSafeInteger(size) && (size as number) >= 0
  if (isSize && typeof root === 'string' && (size === 0 || /^[0-9a-f]{64}$/.test(root)))
    return { size: size as number, root }
  throw misunderstood()
}

function misunderstood(): ModelSealError {
  return new ModelSealError('HTTP_RESPONSE', 'Cannot send the journal: what answers is not a collector of journals.', {
    hint: 'Check the URL of the collector.',
  })
}

const TYPED = ['JOURNAL_ROLLBACK', 'JOURNAL_INCONSISTENT', 'JOURNAL_FOREIGN', 'JOURNAL_INVALID'] as const

/** What the collector says is quoted: it may be anything. */
function refusalIn(status: number, given: unknown): ModelSealError {
  const { code, message } = (typeof given === 'object' && given !== null ? given : {}) as {
    code?: unknown
    message?: unknown
  }
  const found = typeof message === 'string' ? shown(message) : `the status ${status}`
  const typed = TYPED.find((each) => each === code) ?? (status === 401 ? 'JOURNAL_FOREIGN' : undefined)
  if (typed) return new ModelSealError(typed, 'The collector refuses the journal.', { found, hint: HINTS[typed] })
  return new ModelSealError('HTTP_RESPONSE', `The collector cannot take the journal now (status ${status}).`, { found })
}

const HINTS = {
  JOURNAL_ROLLBACK: 'Find out who put an older state of the journal back.',
  JOURNAL_INCONSISTENT:
    'Find out who wrote another history: a copy of the journal on another host, or someone who has its key.',
  JOURNAL_FOREIGN:
    'Use the token or client certificate of this host, whose name must be that in journal.json ("host").',
  JOURNAL_INVALID: 'Run "modelseal journal verify" on the journal.',
}

function isSecure({ protocol }: URL): boolean {
  return protocol === 'https:'
}

const EXPECTED =
  'the URL of a collector, such as https://collector.example:8443, without user, path and query; http only for this host'

async function credentialsFrom({ tokenFile, clientCert, clientKey, ca }: ClientOptions): Promise<Credentials> {
  if ((clientCert === undefined) !== (clientKey === undefined))
    throw new ModelSealError('INVALID_ARGUMENT', 'A client certificate and its key must be given together.')
  const pem = (path: string, what: string) => readSmallFile(path, { what, maxBytes: MAX_PEM_BYTES })
  if (clientKey !== undefined) checkPrivateFile(clientKey, 'key of the client certificate')
  return {
    ...(tokenFile !== undefined && { token: await tokenIn(tokenFile) }),
    ...(clientCert !== undefined && { cert: await pem(clientCert, 'client certificate') }),
    ...(clientKey !== undefined && { key: await pem(clientKey, 'key of the client certificate') }),
    ...(ca !== undefined && { ca: await pem(ca, 'certificates of authorities') }),
  }
}

async function tokenIn(file: string): Promise<string> {
  checkPrivateFile(file, 'file of the token')
  const token = String(await readSmallFile(file, { what: 'file of the token', maxBytes: 8_192 })).trim()
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token
  throw new ModelSealError('INVALID_ARGUMENT', `The file ${shown(file)} contains no token.`, { file })
}
