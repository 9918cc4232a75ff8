import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeAll, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree } from './support/models.ts'

// Processes that are not allowed or able to start threads, with a model large enough to use them.

const CORE = join(import.meta.dirname, '../packages/core')
const MIB = 1024 * 1024
/** An unused user id, so that no other processes count towards its limits. */
const USER = 54_321

interface Outcome {
  decision?: string
  code?: string
  warnings?: string[]
}

let directory: string
let program: string
let args: string[]
beforeAll(async () => {
  directory = scratchOfSuite()
  const { policy, privateKey } = publisherIn(directory)
  const [model, tampered] = [join(directory, 'model'), join(directory, 'tampered')]
  writeTree(model, { 'weights.bin': randomBytes(44 * MIB), 'config.json': '{}' })
  await signModel(model, { signer: await keySigner({ privateKey }) })
  cpSync(model, tampered, { recursive: true })
  writeFileSync(join(tampered, 'weights.bin'), randomBytes(44 * MIB))
  chmodSync(directory, 0o755)
  program = join(directory, 'program.mjs')
  writeFileSync(program, PROGRAM)
  args = [join(CORE, 'dist/index.js'), policy, model, tampered]
})

// On request, limits itself after Node.js has started its own threads.
const PROGRAM = `
import { spawnSync } from 'node:child_process'
import { stat } from 'node:fs/promises'
const [core, policy, ...models] = process.argv.slice(2)
const { openVerifiedModel } = await import(core)
if (process.env.LIMITED) {
  await stat(policy)
  if (spawnSync('prlimit', ['--pid', process.pid, '--nproc=1:1']).status !== 0) throw new Error('not limited')
}
for (const path of models) {
  const outcome = await openVerifiedModel(path, { policy }).then(
    ({ verdict }) => ({ decision: verdict.decision, warnings: verdict.warnings?.map(({ code }) => code) }),
    ({ code, verdict }) => ({ code, warnings: verdict.warnings?.map(({ code }) => code) }),
  )
  console.log(JSON.stringify(outcome))
}
process.exit()
`

function outcomes(stdout: string): Outcome[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome)
}

const WARNING = ['MODELSEAL_NO_THREADS']
const HASHED_HERE: Outcome[] = [
  { decision: 'accepted', warnings: WARNING },
  { code: 'FILE_MISMATCH', warnings: WARNING },
]
const HASHED_IN_THREADS: Outcome[] = [{ decision: 'accepted' }, { code: 'FILE_MISMATCH' }]

test('under --permission without --allow-worker, the calling thread hashes, and the process is warned once', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--permission', '--allow-fs-read=*', program, ...args], {
    encoding: 'utf8',
  })
  expect(outcomes(stdout)).toEqual(HASHED_HERE)
  expect(stderr.match(/MODELSEAL_NO_THREADS/g)).toHaveLength(1)
  expect(stderr).toContain('ERR_ACCESS_DENIED')
})

test('under --permission with --allow-worker, threads hash', () => {
  const permissions = ['--permission', '--allow-fs-read=*', '--allow-worker']
  const { stdout, stderr } = spawnSync(process.execPath, [...permissions, program, ...args], { encoding: 'utf8' })
  expect(outcomes(stdout)).toEqual(HASHED_IN_THREADS)
  expect(stderr).not.toContain('MODELSEAL')
})

/** The limit does not apply to root, so root becomes another user. */
const otherUser = process.getuid?.() === 0 ? { uid: USER, gid: USER } : {}
const canLimit =
  spawnSync('prlimit', ['--version']).status === 0 &&
  spawnSync(process.execPath, ['-e', ''], { ...otherUser, cwd: '/' }).status === 0

test.runIf(canLimit)('if the process limit is reached, the calling thread hashes', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    ...otherUser,
    cwd: '/',
    env: { ...process.env, LIMITED: '1' },
    encoding: 'utf8',
  })
  expect(outcomes(stdout), stderr).toEqual(HASHED_HERE)
  expect(stderr.match(/MODELSEAL_NO_THREADS/g)).toHaveLength(1)
  expect(stderr).toMatch(/ERR_WORKER_INIT_FAILED/)
})
if (!canLimit) console.log('Not tested: a limit of processes, since prlimit or another user is not to be had.')

test.each(['index.js', 'index.cjs'])('%s has threads even if only its own code was deployed', (entry) => {
  const copy = join(directory, entry, 'node_modules/@modelseal/core')
  cpSync(join(CORE, 'dist'), join(copy, 'dist'), { recursive: true })
  cpSync(join(CORE, 'package.json'), join(copy, 'package.json'))
  // Files that a tracer may miss.
  rmSync(join(copy, 'dist/hashing-worker.cjs'))
  symlinkSync(modulesWithout('piscina', join(directory, entry)), join(copy, 'node_modules'))
  const [, ...rest] = args
  const { stdout, stderr } = spawnSync(process.execPath, [program, join(copy, 'dist', entry), ...rest], {
    encoding: 'utf8',
  })
  expect(outcomes(stdout)).toEqual(HASHED_IN_THREADS)
  expect(stderr).toBe('')
})

/** The dependencies of the core, except one package. */
function modulesWithout(left: string, parent: string): string {
  const from = join(CORE, 'node_modules')
  const to = join(parent, 'modules')
  const packages = readdirSync(from).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(from, name)).map((scoped) => join(name, scoped)) : [name],
  )
  writeTree(to, {})
  for (const name of packages.filter((name) => basename(name) !== left && !name.startsWith('.'))) {
    writeTree(join(to, name, '..'), { '.keep': '' })
    symlinkSync(join(from, name), join(to, name))
  }
  return to
}
