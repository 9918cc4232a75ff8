import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { build, type BuildOptions } from 'esbuild'
import { expect } from 'vitest'
import { publisherIn, writeTree } from './models.ts'
import { ACCEPTED, REFUSED, signByMethods } from './signed-by-methods.ts'

/** The program to bundle. */
export const SERVICE = join(import.meta.dirname, '../bundlers/service.mjs')

const BYTES = 44 * 1024 * 1024

/** Models that are large enough for threads, and a policy that trusts their signer. */
export interface BundlerModels {
  policy: string
  honest: string
  tampered: string
  blake3: string
  /** Small models of each signing method, with a separate policy. */
  byMethods: string
}

export async function modelsIn(directory: string): Promise<BundlerModels> {
  const { policy, privateKey } = publisherIn(directory)
  const [honest, tampered, blake3] = ['honest', 'tampered', 'blake3'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const signer = await keySigner({ privateKey })
  writeTree(honest, { 'weights.bin': randomBytes(BYTES) })
  await signModel(honest, { signer })
  cpSync(honest, tampered, { recursive: true })
  writeFileSync(join(tampered, 'weights.bin'), randomBytes(BYTES))
  writeTree(blake3, { 'weights.bin': randomBytes(BYTES) })
  await signModel(blake3, { signer, hashType: 'blake3' })
  const byMethods = join(directory, 'methods')
  await signByMethods(byMethods)
  return { policy, honest, tampered, blake3, byMethods }
}

/** The program's results for the models, and its standard error. */
export function run(program: string, policy: string, ...models: string[]): { outcomes: unknown[]; stderr: string } {
  // Package managers set NODE_PATH for scripts, so CommonJS would find packages elsewhere.
  const env = { ...process.env, NODE_PATH: '' }
  const { stdout, stderr } = spawnSync(process.execPath, [program, policy, ...models], {
    encoding: 'utf8',
    cwd: '/',
    env,
  })
  const lines = stdout.split('\n').filter((line) => line !== '')
  return { outcomes: lines.map((line) => JSON.parse(line) as unknown), stderr }
}

/** Expects it to load signed models, in threads and without output, and to refuse others. */
export function expectToLoad(program: string, { policy, honest, tampered }: BundlerModels): void {
  expect(run(program, policy, honest, tampered)).toEqual({
    outcomes: [
      { decision: 'accepted', bytes: BYTES },
      expect.objectContaining({ code: 'FILE_MISMATCH', file: 'weights.bin' }),
    ],
    stderr: '',
  })
}

/** Expects it to verify signatures by keys, certificates and Sigstore, and to refuse others. */
export function expectToVerify(program: string, { byMethods }: Pick<BundlerModels, 'byMethods'>): void {
  const models = [...ACCEPTED, ...Object.keys(REFUSED)].map((name) => join(byMethods, name))
  expect(run(program, join(byMethods, 'modelseal.policy.yaml'), ...models)).toEqual({
    outcomes: [
      ...ACCEPTED.map(() => expect.objectContaining({ decision: 'accepted' }) as unknown),
      ...Object.values(REFUSED).map((refusal) => expect.objectContaining(refusal) as unknown),
    ],
    stderr: '',
  })
}

export async function bundleByEsbuild(outfile: string, options: BuildOptions): Promise<string> {
  const entryPoints = [{ in: SERVICE, out: basename(outfile, extname(outfile)) }]
  const outExtension = { '.js': extname(outfile) }
  const common = { bundle: true, platform: 'node', logLevel: 'silent', outdir: dirname(outfile) } as const
  await build({ entryPoints, outExtension, ...common, ...options })
  return outfile
}
