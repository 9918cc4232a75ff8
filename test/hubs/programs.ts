import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

const BINARIES = process.env['HUBS_BINARIES'] ?? '.cache/hubs/bin'
const PYTHON = process.env['HUBS_PYTHON'] ?? 'python3'

/** How a program ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a client of registries. */
export function client(name: 'cosign' | 'crane' | 'oras', args: readonly string[], cwd?: string): Promise<Ended> {
  const home = temporary()
  return ended(spawn(join(BINARIES, name), args, { cwd, env: { ...process.env, HOME: home, DOCKER_CONFIG: home } }))
}

/** Runs the Python client of Hugging Face, and returns what it prints. */
export async function python(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const quiet = { HF_HUB_DISABLE_XET: '1', HF_HUB_DISABLE_TELEMETRY: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1' }
  const own = { ...process.env, HF_HOME: temporary(), ...quiet, ...env }
  const { code, stdout, stderr } = await ended(
    spawn(PYTHON, [join(import.meta.dirname, 'client.py'), ...args], { env: own }),
  )
  if (code !== 0) throw new Error(`the Python client failed: ${stderr}`)
  return JSON.parse(stdout) as Record<string, string>
}

/** Starts a registry without the referrers API (distribution), or one with it (ociregistry). @returns its host */
export async function startRegistry(kind: 'distribution' | 'ociregistry'): Promise<{ host: string; stop: () => void }> {
  const port = await freePort()
  const host = `127.0.0.1:${port}`
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-registry-'))
  const config = join(directory, 'registry.yml')
  writeFileSync(config, `version: 0.1\nlog: { level: error }\nstorage: { inmemory: {} }\nhttp: { addr: '${host}' }\n`)
  const started =
    kind === 'distribution'
      ? spawn(join(BINARIES, 'registry'), ['serve', config], { stdio: 'ignore' })
      : spawn(join(BINARIES, 'referrers-registry'), [host], { stdio: 'ignore' })
  const stop = () => {
    started.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const isUp = await fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isUp) return { host, stop }
    await wait(50)
  }
  stop()
  throw new Error(`the registry at ${host} does not answer`)
}

/** A directory that is removed when the test ends. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-hubs-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
