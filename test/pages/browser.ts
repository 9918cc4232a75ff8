import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What keeps Chromium from connecting to anything by itself. */
const QUIET = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
]

interface Message {
  id?: number
  method?: string
  params?: { request?: { url: string }; entry?: { text: string } }
  result?: { result?: { value?: unknown } }
}

/** Chromium with one tab, driven by its DevTools protocol. */
export class Browser {
  /** Everything that the pages requested, logged, or showed as a dialog. */
  readonly events: string[] = []
  readonly #process: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #answers = new Map<number, (message: Message) => void>()
  #sent = 0

  static async start(): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'modelseal-chromium-'))
    const child = spawn('chromium', [...QUIET, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const port = await new Promise<string>((resolve, reject) => {
      let text = ''
      child.once('error', reject).once('exit', () => reject(new Error(text)))
      child.stderr.on('data', (chunk: Buffer) => {
        text += String(chunk)
        const [, found] = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(text) ?? []
        if (found !== undefined) resolve(found)
      })
    })
    const tabs = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as Record<string, string>[]
    const socket = new WebSocket(tabs.find(({ type }) => type === 'page')?.['webSocketDebuggerUrl'] ?? '')
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    const browser = new Browser(child, profile, socket)
    for (const domain of ['Page', 'Log', 'Runtime', 'Network']) await browser.send(`${domain}.enable`)
    return browser
  }

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = child
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as Message
      if (message.id !== undefined) this.#answers.get(message.id)?.(message)
      else if (/Dialog|exception|requestWillBeSent$|entryAdded/.test(message.method ?? ''))
        this.events.push(message.params?.request?.url ?? message.params?.entry?.text ?? message.method ?? '')
    })
  }

  send(method: string, params: object = {}): Promise<Message> {
    const id = ++this.#sent
    this.#socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve) => this.#answers.set(id, resolve))
  }

  async open(url: string, { width, scheme }: { width: number; scheme: string }): Promise<void> {
    const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 }
    await this.send('Emulation.setDeviceMetricsOverride', metrics)
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.send('Emulation.setEmulatedMedia', { features })
    await this.send('Page.navigate', { url })
    while ((await this.run('document.URL + document.readyState')) !== `${url}complete`) continue
  }

  /** @returns the value of an expression in the page, once it is known */
  async run(expression: string): Promise<unknown> {
    return (await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })).result?.result
      ?.value
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#socket.close()
    this.#process.kill()
    await ended
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
