import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keySigner, signModel } from '@modelseal/core/signing'
import { temporary, type Ended } from './programs.ts'

const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))

/** A signed model of one test: a file for each way in which hubs store files. */
export interface SignedModel {
  readonly path: string
  readonly publicKey: string
  readonly privateKey: string
}

export async function signedModel(): Promise<SignedModel> {
  const directory = temporary()
  const path = join(directory, 'vad')
  const files = {
    'config.json': '{}',
    'README.md': '# vad\n',
    'onnx/größe 1.bin': 'weights'.repeat(100_000),
    'empty.bin': '',
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [privateKey, publicKey] = [join(directory, 'release.key'), join(directory, 'release.pub')]
  writeFileSync(privateKey, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  await signModel(path, { signer: await keySigner({ privateKey }) })
  return { path, publicKey, privateKey }
}

/** A policy that trusts the key of a model, wherever it is loaded from. */
export function policyFor({ publicKey }: SignedModel): string {
  const path = join(dirname(publicKey), 'policy.yaml')
  const rule = { name: 'all', match: { url: ['hf://**', 'oci://**'] }, signers: [{ key: 'release' }] }
  writeFileSync(
    path,
    JSON.stringify({ version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [rule] }),
  )
  return path
}

/** The contents of a directory by name, without what clients leave. */
export function contentsOf(directory: string): Record<string, string> {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
  const names = found.map((entry) => relative(directory, join(entry.parentPath, entry.name)))
  const kept = names.filter((name) => !/^\.(?:cache|gitattributes)/.test(name)).sort()
  return Object.fromEntries(kept.map((name) => [name, readFileSync(join(directory, name)).toString('base64')]))
}

/** Runs the program; the test's own servers answer meanwhile. */
export async function modelseal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const own = { ...process.env, HF_HUB_DISABLE_XET: '1', DOCKER_CONFIG: temporary(), ...env }
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: own, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
