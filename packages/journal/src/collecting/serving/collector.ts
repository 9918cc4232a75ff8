import { createServer as createPlainServer, type Server } from 'node:http'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkPrivate, makeDirectories } from '@modelseal/core/journal'
import { realpath } from 'node:fs/promises'
import { isLoopback } from '../../remote-url.ts'
import { Answering } from './answering.ts'
import { Connections } from './connections.ts'
import { Events, type CollectorEvent } from './events.ts'
import { Senders } from '../senders.ts'
import { lockForCollector } from '../directory-lock.ts'
import { StoredJournals } from '../storing/stored-journals.ts'

/** How journals are collected. */
export interface CollectorOptions {
  /** Directory of the journals, private to this user. It is created if it does not exist. Only one collector can use it. */
  directory: string
  /** File with the certificate of the server and those of its issuers (PEM). */
  tlsCert?: string | undefined
  /** File with the private key of the certificate (PEM). */
  tlsKey?: string | undefined
  /** File with the certificates (PEM) of the authorities that issue client certificates to hosts. */
  clientCa?: string | undefined
  /** File that only this user can read: a line for each host, with the SHA-256 of its token (or `-`), its name, and optionally its verifier key. */
  tokens?: string | undefined
  /** Default: `:8443`, on all addresses. */
  listen?: string | undefined
  /** True for plain HTTP, which only a loopback address can offer. */
  plainHttp?: boolean | undefined
  /** Most journals that are stored. Default: 1,000. */
  maxJournals?: number | undefined
  /** Milliseconds in which a whole request must have arrived. Default: 60,000. */
  requestTimeout?: number | undefined
  /** Called for each event. It must not throw. */
  onEvent?: ((event: CollectorEvent) => void) | undefined
}

/** A collector that is running. */
export interface Collector {
  /** Where hosts send their journals. */
  readonly url: string
  /** Answers the requests that have arrived, and ends. */
  close(): Promise<void>
}

const DEFAULT_JOURNALS = 1_000
const DEFAULT_TIMEOUT = 60_000
/** In milliseconds. */
const HEADERS_TIMEOUT = 10_000
/** For requests whose content is still arriving when the collector ends. */
const CLOSE_TIMEOUT = 5_000
const MAX_HEADER_BYTES = 8 * 1024
const MAX_PEM_BYTES = 1024 * 1024

/**
 * Collects the journals of hosts over HTTPS. Each host writes only its own journals; every record and every checkpoint is verified against
 * what was collected before, and is on the disk before it is confirmed. `verifyJournal()` and `findIncident()` read what is stored.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `JOURNAL_IN_USE`, `JOURNAL_FAILED`, `ISOLATION_REFUSED`, `FILE_NOT_FOUND`,
 * `FILE_UNREADABLE`
 * @example
 * ```ts
 * const collector = await createCollector({ directory: 'journals', tlsCert: 'server.pem', tlsKey: 'server.key', tokens: 'tokens' })
 * process.once('SIGTERM', () => void collector.close())
 * ```
 */
export async function createCollector(options: CollectorOptions): Promise<Collector> {
  const { clientCa, tokens, maxJournals = DEFAULT_JOURNALS, onEvent = () => undefined } = options
  const place = placeOf(options.listen ?? ':8443')
  checkOptions(options, place)
  const directory = await ownDirectory(options.directory)
  const senders = await Senders.read(tokens, clientCa !== undefined)
  const server = await serverFor(options)
  const lock = lockForCollector(directory)
  try {
    const events = new Events(onEvent)
    const answering = new Answering({ senders, events, connections: new Connections(server) })
    const journals = await StoredJournals.open({
      directory,
      senders,
      maxJournals,
      notice: (journal, event, message) => {
        // Senders can cause these as often as they like.
        if (event === 'replaced') events.reportFrequent({ event, journal, message })
        else events.report({ event, journal, message })
      },
      created: ({ id, host, key }) =>
        events.report({ event: 'created', host, journal: id, message: `its key is ${key}` }),
    })
    server.on('request', (request, response) => void answering.answer(journals, request, response))
    await listening(server, place)
    return {
      url: urlOf(server, place, options.plainHttp ? 'http' : 'https'),
      async close() {
        await ended(server, answering)
        events.flush()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function urlOf(server: Server, place: Place, protocol: string): string {
  const { address, port } = server.address() as AddressInfo
  const host = place.host ?? address
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

async function ended(server: Server, answering: Answering): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const late = setTimeout(() => {
    server.closeAllConnections()
  }, CLOSE_TIMEOUT)
  await answering.finished()
  clearTimeout(late)
  server.closeAllConnections()
  await closed
  // A request can have arrived before its connection was closed.
  await answering.finished()
}

interface Place {
  host: string | undefined
  port: number
}

function placeOf(listen: string): Place {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]*)):(\d{1,5})$/i.exec(listen) ?? []
  const host = bracketed ?? plain
  if (port === undefined || Number(port) > 65_535)
    throw invalid('listen', 'HOST:PORT, such as 0.0.0.0:8443 or :8443', shown(listen))
  return { host: host === '' ? undefined : host, port: Number(port) }
}

function checkOptions(
  { tlsCert, tlsKey, clientCa, tokens, plainHttp = false, maxJournals = 1 }: CollectorOptions,
  { host }: Place,
): void {
  if (!Number.isSafeInteger(maxJournals) || maxJournals < 1)
    throw invalid('maxJournals', 'a positive integer', String(maxJournals))
  if (clientCa === undefined && tokens === undefined)
    throw invalid(
      'tokens',
      'a file of tokens, or authorities for client certificates ("clientCa"): otherwise anyone could write',
      'neither',
    )
  if (!plainHttp && (tlsCert === undefined || tlsKey === undefined))
    throw invalid('tlsCert', 'a certificate and its key ("tlsKey")', 'not both')
  if (!plainHttp) return
  if (host === undefined || !isLoopback(host))
    throw invalid('plainHttp', 'a loopback address to listen on, such as 127.0.0.1:8443', shown(host ?? ''))
  if (tlsCert !== undefined || tlsKey !== undefined || clientCa !== undefined)
    throw invalid('plainHttp', 'no certificates', 'certificates')
}

function invalid(option: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${option}".`, { expected, found })
}

async function ownDirectory(given: string): Promise<string> {
  const directory = resolve(given)
  try {
    makeDirectories(directory)
    const real = await realpath(directory)
    checkPrivate(real)
    return real
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('JOURNAL_FAILED', `Cannot use the directory ${shown(directory)} for journals.`, {
      file: directory,
      hint: 'Name a directory that this user can create and write to.',
      cause,
    })
  }
}

async function serverFor({
  tlsCert,
  tlsKey,
  clientCa,
  requestTimeout = DEFAULT_TIMEOUT,
}: CollectorOptions): Promise<Server> {
  const limits = {
    requestTimeout,
    headersTimeout: Math.min(HEADERS_TIMEOUT, requestTimeout),
    connectionsCheckingInterval: Math.min(1_000, requestTimeout),
    keepAliveTimeout: 30_000,
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  if (tlsCert === undefined || tlsKey === undefined) return createPlainServer(limits)
  const pem = (path: string, what: string) => readSmallFile(path, { what, maxBytes: MAX_PEM_BYTES })
  const [cert, key] = [await pem(tlsCert, 'certificate of the collector'), await pem(tlsKey, 'key of the collector')]
  const ca = clientCa === undefined ? undefined : await pem(clientCa, 'certificates of the authorities of hosts')
  // A certificate that is not accepted is refused by the answer, which says why, and is reported.
  const certificates = ca ? { ca, requestCert: true, rejectUnauthorized: false } : {}
  try {
    const handshake = { minVersion: 'TLSv1.2', handshakeTimeout: limits.headersTimeout } as const
    return createServer({ ...limits, ...handshake, cert, key, ...certificates })
  } catch (cause) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot use the certificate and the key of the collector.', {
      file: tlsCert,
      expected: 'PEM files that belong together',
      cause,
    })
  }
}

async function listening(server: Server, { host, port }: Place): Promise<void> {
  server.listen({ host, port })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new ModelSealError('JOURNAL_FAILED', `Cannot listen on ${shown(`${host ?? ''}:${port}`)}.`, {
      hint: 'Name another address or port.',
      cause,
    })
  }
  // A later error, such as of a handshake, concerns one connection.
  server.on('error', () => undefined)
}
