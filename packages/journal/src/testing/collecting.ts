import { createHash, createPrivateKey, webcrypto } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { authority, issue, SERVER_AUTH, type Issued, type Name } from '../../../core/src/testing/authority.ts'
import { loadRecord, TestJournal, type TestSegment } from '../../../core/src/testing/journals.ts'
import { scratch } from '../../../core/src/testing/scratch.ts'
import type { CollectorEvent } from '../collecting/serving/events.ts'
import { createCollector, type Collector, type CollectorOptions } from '../collecting/serving/collector.ts'
import { pushJournal, type PushOptions } from '../collecting/sending/push-journal.ts'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** A directory with a collector, its certificate, and the tokens of hosts. */
export class Site {
  readonly root = scratch()
  readonly events: CollectorEvent[] = []
  readonly stored = join(this.root, 'stored')
  readonly ca = join(this.root, 'ca.pem')
  collector!: Collector
  #authority!: Issued

  static async create(options: Partial<CollectorOptions> = {}): Promise<Site> {
    const site = new Site()
    site.#authority = await authority('Test authority')
    writeFileSync(site.ca, site.#authority.x509.toString())
    await site.certificate('server', { names: [[7, new Uint8Array([127, 0, 0, 1])]], usage: SERVER_AUTH })
    const lines = ['host-a', 'host-b'].map(
      (host) => `${createHash('sha256').update(`token of ${host}`.replaceAll(' ', '-')).digest('hex')} ${host}\n`,
    )
    writeFileSync(join(site.root, 'tokens'), `# of the hosts\n${lines.join('')}`, { mode: 0o600 })
    await site.start(options)
    return site
  }

  async start(options: Partial<CollectorOptions> = {}, listen = '127.0.0.1:0'): Promise<void> {
    this.collector = await createCollector({
      directory: this.stored,
      tlsCert: this.file('server.pem'),
      tlsKey: this.file('server.key'),
      tokens: this.file('tokens'),
      listen,
      onEvent: (event) => this.events.push(event),
      ...options,
    })
    const { collector } = this
    onTestFinished(() => collector.close())
  }

  file(name: string): string {
    return join(this.root, name)
  }

  /** Writes NAME.pem and NAME.key. */
  async certificate(
    name: string,
    given: { names?: Name[]; usage?: string; issuer?: Issued; subject?: string; notAfter?: Date } = {},
  ): Promise<void> {
    const { usage = CLIENT_AUTH, issuer = this.#authority, names, subject = name, notAfter } = given
    const usages = { usages: ['digitalSignature'], extendedUsages: [usage] } as const
    const leaf = await issue({ subject, issuer, ...usages, ...(names && { names }), ...(notAfter && { notAfter }) })
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', leaf.keys.privateKey))
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    writeFileSync(this.file(`${name}.pem`), leaf.x509.toString())
    writeFileSync(this.file(`${name}.key`), key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  }

  /** A journal with some loads. */
  journal(host = 'host-a', name = host): { journal: TestJournal; segment: TestSegment } {
    const directory = this.file(name)
    mkdirSync(directory)
    const journal = new TestJournal(directory, host, name)
    const segment = journal.segment()
    addLoads(segment, 3)
    return { journal, segment }
  }

  /** The state of a journal, to be put back. */
  copy(from: string, to: string): void {
    rmSync(this.file(to), { recursive: true, force: true })
    cpSync(this.file(from), this.file(to), { recursive: true })
  }

  token(host: string): string {
    const path = this.file(`${host}.token`)
    writeFileSync(path, `token-of-${host}\n`, { mode: 0o600 })
    return path
  }

  push(directory: string, options: Partial<PushOptions> = {}, host = 'host-a') {
    const credentials = { tokenFile: this.token(host), ca: this.ca }
    return pushJournal(directory, { to: this.collector.url, ...credentials, ...options })
  }

  directoryOf(journal: TestJournal): string {
    return join(this.stored, journal.file.id)
  }
}

export function addLoads(segment: TestSegment, loads: number): void {
  for (let index = 0; index < loads; index++) segment.add(loadRecord({ bytes: index }))
  segment.commit()
}

export interface Given {
  content?: string | Buffer
  headers?: Record<string, string>
  token?: string
}

/** Sends one request as a host could. */
export async function asked(site: Site, method: string, path: string, given: Given = {}) {
  const { content = '', headers = {}, token = 'token-of-host-a' } = given
  const sent = request(new URL(site.collector.url), {
    method,
    path,
    ca: readFileSync(site.ca),
    agent: false,
    headers: { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(content), ...headers },
  })
  sent.on('error', () => undefined)
  sent.end(content)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const piece of response) text += String(piece)
  return { status: response.statusCode, body: JSON.parse(text) as Record<string, unknown> }
}
