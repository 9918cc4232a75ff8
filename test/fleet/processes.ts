import { spawn, type ChildProcess } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { keySigner, type Signer } from '@modelseal/core/signing'
import { newWorkerKey } from '@modelseal/fleet'
import { Redis } from 'ioredis'

const PROGRAM = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')

/** Paths of PEM files of a Redis that only speaks TLS. */
interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** A process of the command line that works through a catalogue. */
export interface Coordinator {
  readonly child: ChildProcess
  readonly ended: Promise<{ stdout: string; stderr: string; code: unknown }>
}

/** A Redis on a loopback address that keeps nothing on disk, and workers in processes of their own. */
export class TestFleet {
  readonly directory = mkdtempSync(join(tmpdir(), 'modelseal-fleet-'))
  readonly models = join(this.directory, 'models')
  readonly results = join(this.directory, 'results')
  readonly workers = join(this.directory, 'workers')
  readonly url: string
  readonly password: string
  readonly #port: number
  readonly #running = new Map<string, ChildProcess>()
  #server: ChildProcess | undefined
  #secrets = ''

  readonly #tls: TlsFiles | undefined

  static async start(password = '', tls?: TlsFiles): Promise<TestFleet> {
    const fleet = new TestFleet(await freePort(), password, tls)
    await fleet.startRedis()
    return fleet
  }

  private constructor(port: number, password: string, tls: TlsFiles | undefined) {
    this.#port = port
    this.#tls = tls
    this.password = password
    this.url = `redis${tls ? 's' : ''}://${password === '' ? '' : `:${password}@`}127.0.0.1:${port}`
    mkdirSync(this.models)
    this.#write(this.workers, '')
  }

  /** @returns a signer with a new private key */
  async newSigner(): Promise<Signer> {
    return keySigner({ privateKey: this.writeKey() })
  }

  /** @returns the path of a new private key */
  writeKey(): string {
    const path = join(this.directory, 'key')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return path
  }

  async startRedis(): Promise<void> {
    const args = [
      '--bind',
      '127.0.0.1',
      ...(this.#tls ? tlsArguments(this.#tls, this.#port) : ['--port', String(this.#port)]),
      '--save',
      '',
      '--rdbcompression',
      'no',
      '--dir',
      this.directory,
    ]
    const auth = this.password === '' ? [] : ['--requirepass', this.password]
    this.#server = spawn('redis-server', [...args, ...auth], { stdio: 'ignore' })
    await this.onRedis((redis) => redis.ping())
  }

  /** Has Redis answer nobody until it is resumed. */
  pauseRedis(): { resume: () => void } {
    this.#server?.kill('SIGSTOP')
    return { resume: () => void this.#server?.kill('SIGCONT') }
  }

  async stopRedis(): Promise<void> {
    const server = this.#server
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }

  async onRedis<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const tls = this.#tls ? { tls: { ca: readFileSync(this.#tls.ca) } } : {}
    const redis = new Redis(this.url, { retryStrategy: () => 50, ...tls })
    redis.on('error', () => undefined)
    try {
      return await work(redis)
    } finally {
      redis.disconnect()
    }
  }

  /** Gives a worker a secret that the coordinator knows. */
  addWorker(name: string): string {
    const line = newWorkerKey(name)
    this.#secrets += line
    this.#write(this.workers, this.#secrets)
    const file = join(this.directory, `${name}.secret`)
    this.#write(file, line)
    return file
  }

  startWorker(name: string, ...options: string[]): ChildProcess {
    return this.startWorkerIn({}, name, ...options)
  }

  /** @param env its own variables, besides those of the test */
  startWorkerIn(env: NodeJS.ProcessEnv, name: string, ...options: string[]): ChildProcess {
    const file = join(this.directory, `${name}.secret`)
    const args = ['fleet', 'worker', '--queue', this.url, '--secret-file', file, '--root', this.directory]
    const child = spawn(process.execPath, [PROGRAM, ...args, '--max-workers', '1', ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.#running.set(name, child)
    return child
  }

  /** Runs the program as a coordinator. */
  coordinate(args: readonly string[], env: NodeJS.ProcessEnv = {}, queue = this.url): Coordinator {
    const place = ['--queue', queue, '--workers', this.workers, '--results', this.results]
    const child = spawn(process.execPath, [PROGRAM, 'fleet', ...args, ...place], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MODELSEAL_CACHE: join(this.directory, 'cache'), ...env },
    })
    this.#running.set(`coordinator ${child.pid}`, child)
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
      ([stdout, stderr, [code, signal]]) => ({ stdout, stderr, code: (code ?? signal) as unknown }),
    )
    return { child, ended }
  }

  async killWorker(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#running.get(name)
    this.#running.delete(name)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async stop(): Promise<void> {
    for (const name of this.#running.keys()) await this.killWorker(name)
    await this.stopRedis()
    await setTimeout(50)
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }

  #write(path: string, text: string): void {
    writeFileSync(path, text, { mode: 0o600 })
    chmodSync(path, 0o600)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function tlsArguments({ ca, cert, key }: TlsFiles, port: number): string[] {
  const files = ['--tls-ca-cert-file', ca, '--tls-cert-file', cert, '--tls-key-file', key]
  return ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', ...files]
}
