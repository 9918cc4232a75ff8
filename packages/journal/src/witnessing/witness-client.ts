import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkedHttpOptions, HttpClient, type HttpBody } from '@modelseal/core/http'
import { MAX_CHECKPOINT_BYTES } from '@modelseal/core/journal'
import { remoteUrl } from '../remote-url.ts'

/** What a witness answered to a checkpoint (C2SP tlog-witness). Nothing of it is verified. */
type WitnessAnswer =
  /** Lines with signatures. */
  | { kind: 'signed'; lines: string }
  /** The size of the newest checkpoint that the witness cosigned, which is another one than `old`. */
  | { kind: 'size'; size: number }
  /** It has another history of the journal. */
  | { kind: 'inconsistent' }
  /** It does not know the journal, or not its key. */
  | { kind: 'unknown'; status: number }

/** What is sent: the newest checkpoint, and the proof that it continues the one of size `old`. */
interface Submission {
  old: number
  proof: readonly Buffer[]
  note: string
}

/** A cosignature by ML-DSA has 3 KiB, and there may be one by each key of the witness. */
const MAX_ANSWER = MAX_CHECKPOINT_BYTES
const SIZE = /^(0|[1-9]\d{0,15})\n$/
const CONFLICT = 409
const INCONSISTENT = 422
/** C2SP tlog-witness: 404 and 403; implementations use them for each other. */
const UNKNOWN: ReadonlySet<number> = new Set([403, 404])
const UNDERSTOOD: ReadonlySet<number> = new Set([200, CONFLICT, INCONSISTENT, ...UNKNOWN])

const EXPECTED = 'the URL of a witness, such as https://witness.example/w1, without user and query'

const HINTS = {
  response: 'Check the URL: it is the submission prefix of the witness, without "/add-checkpoint".',
  redirect: 'Use the final URL of the witness.',
  timeout: 'or allow more time ("timeout").',
}

/** Asks a witness. Each request may be repeated. */
export class WitnessClient {
  readonly #url: URL
  readonly #client: HttpClient

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
  constructor(to: string, timeout: number, signal: AbortSignal | undefined) {
    this.#url = remoteUrl(to, EXPECTED)
    const options = checkedHttpOptions({ idleTimeout: timeout, totalTimeout: timeout })
    this.#client = new HttpClient(this.#url.origin, { ...options, hints: HINTS }, signal)
  }

  /** The witness, for people. */
  get url(): string {
    return this.#url.href
  }

  /** @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ABORTED` */
  async submit(submission: Submission): Promise<WitnessAnswer> {
    const content = Buffer.from(requestText(submission))
    const answer = await this.#client.get(
      {
        url: new URL(`${this.#url.href.replace(/\/$/, '')}/add-checkpoint`),
        method: 'POST',
        content: {
          type: 'text/plain; charset=utf-8',
          length: content.length,
          // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
          async *chunks() {
            yield content
          },
        },
        what: 'checkpoint of the journal',
        success: UNDERSTOOD,
        absent: new Set(),
      },
      (body) => this.#understood(body),
    )
    return answer ?? { kind: 'unknown', status: 404 }
  }

  async #understood({ status, headers, chunks }: HttpBody): Promise<WitnessAnswer> {
    if (UNKNOWN.has(status)) return { kind: 'unknown', status }
    if (status === INCONSISTENT) return { kind: 'inconsistent' }
    const text = await textOf(chunks)
    if (text === undefined) throw this.misunderstood(`more than ${MAX_ANSWER} bytes`)
    if (status === 200) return { kind: 'signed', lines: text }
    // C2SP tlog-witness: without a size, the root is another one at the same size.
    if (!headers.get('content-type')?.startsWith('text/x.tlog.size')) return { kind: 'inconsistent' }
    const [, size] = SIZE.exec(text) ?? []
    if (size === undefined) throw this.misunderstood('no size of a tree')
    return { kind: 'size', size: Number(size) }
  }

  misunderstood(found: string): ModelSealError {
    return new ModelSealError('HTTP_RESPONSE', `What answers at ${shown(this.url)} is not a witness.`, {
      found,
      hint: HINTS.response,
    })
  }
}

function requestText({ old, proof, note }: Submission): string {
  return `old ${old}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of chunks) {
    length += piece.length
    if (length > MAX_ANSWER) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}
