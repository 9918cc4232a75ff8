import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect } from 'vitest'

export const PROGRAM = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
export const PASSWORD = 'correct horse battery'

/** One for all tests of a file, because finding its primes takes longer than most commands. */
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** The working directory of the tested commands, created anew for each test. */
export let directory: string

/** Fills it with key pairs, one of which is encrypted, a policy, and a model of three files. */
export function useWorkingDirectory(): void {
  beforeEach(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), 'modelseal-cli-')))
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pkcs8 = { format: 'pem', type: 'pkcs8' } as const
    const spki = { format: 'pem', type: 'spki' } as const
    await Promise.all([
      write('release.key', privateKey.export(pkcs8)),
      write('release.pub', publicKey.export(spki)),
      write('locked.key', privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: PASSWORD })),
      write('other.pub', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export(spki)),
      write('rsa.key', RSA.privateKey.export(pkcs8)),
      write('rsa.pub', RSA.publicKey.export(spki)),
      mkdir(join(directory, 'vad/nested'), { recursive: true }),
    ])
    await Promise.all([
      write('vad/weights.bin', Buffer.alloc(100_000, 7)),
      write('vad/nested/config.json', '{}'),
      write('vad/.gitignore', '*.tmp'),
      write('policy.yaml', POLICY),
    ])
  })

  afterEach(() => rm(directory, { recursive: true, force: true }))
}

export const POLICY = `version: 1
trustRoots:
  release:
    publicKey: ./release.pub
rules:
  - name: everything of ours
    match:
      path: vad
    signers: [{ key: release }]
`

/**
 * Writes a policy that requires this attestation.
 *
 * @param trustRoots beside `release`, which signs the model
 */
export function requiring(attestation: object, trustRoots: object = {}): Promise<void> {
  const require = { attestations: [attestation] }
  return write(
    'policy.json',
    JSON.stringify({
      version: 1,
      trustRoots: { release: { publicKey: './release.pub' }, ...trustRoots },
      rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'release' }], require }],
    }),
  )
}

export const JUDGE = ['verify', 'vad', '--policy', 'policy.json']
export const SIGN = ['sign', 'key', 'vad', '--private-key', 'release.key', '--signature', 'vad/model.sig']
export const VERIFY = ['verify', 'key', 'vad', '--signature', 'vad/model.sig', '--public-key', 'release.pub']

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

export function modelseal(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  return start(args, env, nodeArgs).ended
}

export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, nodeArgs: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeArgs, PROGRAM, ...args], {
    cwd: directory,
    env: {
      ...process.env,
      MODELSEAL_POLICY: undefined,
      MODELSEAL_PASSWORD: undefined,
      MODEL_SIGNING_LOG_LEVEL: undefined,
      NODE_DISABLE_COMPILE_CACHE: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }))
  })
  if (child.pid === undefined) throw new Error('The program could not be started.')
  return { pid: child.pid, ended }
}

/** Asserts a failed check that is reported in one paragraph, only on standard error. */
export function failed({ code, stdout, stderr }: Ended, errorCode: string): string {
  expect({ code, stdout, stderr }).toMatchObject({ code: 1, stdout: '' })
  expect(stderr.startsWith(`Error ${errorCode}: `), stderr).toBe(true)
  expect(stderr).not.toMatch(/^ {4}at /m)
  return stderr
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests access any field of the printed JSON
export async function jsonOf(args: readonly string[], exitCode: number): Promise<any> {
  const { code, stdout, stderr } = await modelseal(args)
  expect({ code, stderr }).toEqual({ code: exitCode, stderr: '' })
  expect(stdout.match(/\n/g)).toHaveLength(1)
  return JSON.parse(stdout)
}

export function rootDigestIn(stdout: string): string | undefined {
  return /sha256:[0-9a-f]{64}$/m.exec(stdout.slice(stdout.indexOf('root digest')))?.[0]
}

export function write(name: string, content: string | Buffer): Promise<void> {
  return writeFile(join(directory, name), content)
}

/** The text of a file in the working directory. */
export function textOf(name: string): Promise<string> {
  return readFile(join(directory, name), 'utf8')
}

/** Signs the model. */
export async function signed(): Promise<void> {
  expect(await modelseal(SIGN)).toMatchObject({ code: 0, stderr: '' })
}

/** The command that attests the model. */
export function attest(type: string, ...more: string[]): string[] {
  return ['attest', 'key', 'vad', '--private-key', 'release.key', '--type', type, ...more]
}

/** What {@link ATTEST_EVALUATION} attests, if it is in `evaluation.json`. */
export const EVALUATION = {
  results: [{ metric: 'accuracy', value: 0.94, dataset: { name: 'test', digest: { sha256: 'd'.repeat(64) } } }],
  evaluatedOn: '2026-11-01T00:00:00Z',
}
export const ATTEST_EVALUATION = attest('evaluation', '--from', 'evaluation.json')
