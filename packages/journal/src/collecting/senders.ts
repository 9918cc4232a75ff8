import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkPrivateFile, readVerifierKey } from '@modelseal/core/journal'

/** A host that may send its journals. */
export interface Sender {
  host: string
}

/** A line of the file: who has the token with this SHA-256, or no token, and which key the journal must have. */
interface Line {
  token: Buffer | undefined
  host: string
  key: string | undefined
}

/** A file of 10,000 hosts with keys. */
const MAX_FILE = 4 * 1024 * 1024
const LINE = /^(-|[0-9a-f]{64}) (\S{1,256})(?: (\S+))?$/

/** Who may send journals to a collector, and which keys they must have. */
export class Senders {
  readonly #lines: readonly Line[]
  readonly #byCertificate: boolean

  private constructor(lines: readonly Line[], byCertificate: boolean) {
    this.#lines = lines
    this.#byCertificate = byCertificate
  }

  /**
   * @param tokens file that only this user can read
   * @param byCertificate true if the server asks for client certificates
   * @throws {@link ModelSealError} `INVALID_ARGUMENT`, and what reading the file throws
   */
  static async read(tokens: string | undefined, byCertificate: boolean): Promise<Senders> {
    if (tokens === undefined) return new Senders([], byCertificate)
    checkPrivateFile(tokens, 'file of tokens')
    const text = String(await readSmallFile(tokens, { what: 'file of tokens', maxBytes: MAX_FILE }))
    return new Senders(
      text.split('\n').flatMap((line, index) => {
        const trimmed = line.trim()
        return trimmed === '' || trimmed.startsWith('#') ? [] : [lineOf(trimmed, tokens, index + 1)]
      }),
      byCertificate,
    )
  }

  /** @returns undefined if nobody who is known sent the request */
  of(request: IncomingMessage): Sender | undefined {
    const { authorization } = request.headers
    return authorization === undefined ? this.#certified(request) : this.#withToken(authorization)
  }

  /** Why nobody who is known sent a request. */
  whyUnknown({ headers, socket }: IncomingMessage): string {
    if (headers.authorization !== undefined) return 'its token is unknown'
    const asked = this.#byCertificate && socket instanceof TLSSocket ? socket : undefined
    if (!asked?.getPeerX509Certificate())
      return this.#byCertificate ? 'it has no client certificate and no token' : 'it has no token'
    if (asked.authorized) return 'its client certificate does not have exactly one name'
    // The code of OpenSSL.
    return `its client certificate is not accepted: ${shown(String(asked.authorizationError))}`
  }

  /** The verifier keys that the file names for a host. With one, no other key is accepted. */
  keysOf(host: string): string[] {
    return this.#lines.flatMap((line) => (line.host === host && line.key !== undefined ? [line.key] : []))
  }

  /** Takes the same time whichever token it is. */
  #withToken(authorization: string): Sender | undefined {
    const [, token] = /^Bearer ([\x21-\x7e]{1,4096})$/i.exec(authorization) ?? []
    if (token === undefined) return undefined
    const digest = createHash('sha256').update(token).digest()
    let found: Sender | undefined
    for (const { token: known, host } of this.#lines) if (known && timingSafeEqual(known, digest)) found = { host }
    return found
  }

  #certified({ socket }: IncomingMessage): Sender | undefined {
    if (!this.#byCertificate || !(socket instanceof TLSSocket) || !socket.authorized) return undefined
    const certificate = socket.getPeerX509Certificate()
    const host = certificate && hostOf(certificate)
    return host === undefined ? undefined : { host }
  }
}

/** The only DNS name of a certificate; without any, its common name. With several, it would not be certain who it is. */
export function hostOf({
  subject,
  subjectAltName = '',
}: Pick<X509Certificate, 'subject' | 'subjectAltName'>): string | undefined {
  // Node.js quotes names that contain commas, so that no name can look like two.
  const names =
    subjectAltName === '' ? [] : subjectAltName.split(', ').flatMap((name) => /^DNS:([^"\s]+)$/.exec(name)?.[1] ?? [])
  const common = subject.split('\n').flatMap((line) => /^CN=(.+)$/.exec(line)?.[1] ?? [])
  const named = names.length > 0 ? names : common
  return named.length === 1 ? named[0] : undefined
}

function lineOf(text: string, file: string, number: number): Line {
  const [, digest, host, key] = LINE.exec(text) ?? []
  if (digest === undefined || host === undefined || (key !== undefined && !readVerifierKey(key)))
    throw new ModelSealError('INVALID_ARGUMENT', `Line ${number} of the file of tokens ${shown(file)} is invalid.`, {
      file,
      line: number,
      // What was written could be a token.
      expected: 'the SHA-256 of a token in lowercase hex, or "-", the name of a host, and optionally its verifier key',
    })
  return { token: digest === '-' ? undefined : Buffer.from(digest, 'hex'), host, key }
}
