import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { loadPolicy, openVerifiedModel, watchPolicy } from '@modelseal/core'
import { checkPolicy, testPolicy } from '@modelseal/core/policy'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { publisherIn, rulesOf, scratch, writeTree, type Publisher } from '../support/models.ts'
import { judged, ROOT, STRANGER } from './judging.ts'

// Policies that another user wrote, could write to, or placed where a load searches for one.

const NAME = 'modelseal.policy.yaml'
const SKIP = `version: 1
rules: [{ name: anything, match: { path: [own/model, model, ../model] }, mode: skip, reason: planted }]
`
const start = process.cwd()

/** Writable by everybody, like `/tmp`. */
let shared: string
/** A subdirectory that only this user can access, with the model in it. */
let own: string
let model: string
let publisher: Publisher

beforeEach(() => {
  shared = join(scratch(), 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o1777)
  own = join(shared, 'own')
  mkdirSync(own, { mode: 0o700 })
  publisher = publisherIn(own)
  model = join(own, 'model')
  writeTree(model, { 'a.bin': 'weights' })
  vi.stubEnv('MODELSEAL_POLICY', undefined)
  vi.stubEnv('MODELSEAL_POLICY_OWNER', undefined)
  process.chdir(own)
})

afterEach(() => {
  process.chdir(start)
  vi.unstubAllEnvs()
})

function refusal(code: string, details: object = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...details }) as Error
}

/** Another user's file. */
function theirs(path: string, text: string, mode = 0o644): string {
  writeFileSync(path, text)
  chmodSync(path, mode)
  chownSync(path, STRANGER, STRANGER)
  return path
}

function mine(path: string, text: string, mode = 0o644): string {
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

async function open(policy?: string): Promise<string> {
  await using opened = await openVerifiedModel(model, { policy })
  return opened.verdict.decision
}

async function sign(): Promise<void> {
  await signModel(model, { signer: await keySigner({ privateKey: publisher.privateKey }) })
}

describe.runIf(ROOT)('a policy that another user planted above a private directory', () => {
  beforeEach(() => void theirs(join(shared, NAME), SKIP))

  test('is not used by a load', async () => {
    await expect(open()).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', {
        file: join(shared, NAME),
        expected: 'owner 0',
        found: `owner ${STRANGER}, mode 0644`,
        hint: expect.stringContaining(`MODELSEAL_POLICY_OWNER=${STRANGER}`) as string,
      }),
    )
    expect(judged({ model })).toMatchObject({ code: 'POLICY_UNTRUSTED' })
    expect(judged({ model, watch: true })).toMatchObject({ code: 'POLICY_UNTRUSTED' })
    await expect(watchPolicy()).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })

  test('is not used by a load of a program guarded by register', () => {
    mine(join(own, 'any.onnx'), 'no model')
    const program = fileURLToPath(new URL('../register/onnx.cjs', import.meta.url))
    const { stdout } = spawnSync(
      process.execPath,
      ['--import', import.meta.resolve('@modelseal/register'), program, join(own, 'any.onnx')],
      { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: undefined } },
    )
    expect(stdout).toBe('POLICY_UNTRUSTED\n')
  })

  test.each([
    ['verify', ['verify', 'model']],
    ['explain', ['policy', 'explain', 'model']],
    ['check', ['policy', 'check', `../${NAME}`]],
    ['test', ['policy', 'test', `../${NAME}`]],
  ])('is not used by the command line: %s', (_, args) => {
    const program = fileURLToPath(new URL('../../packages/cli/bin/modelseal.cjs', import.meta.url))
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
    expect({ status, text: stdout + stderr }).toEqual({
      status: 1,
      text: expect.stringContaining('POLICY_UNTRUSTED') as string,
    })
  })

  test('does not hide a nearer policy', async () => {
    await sign()
    renameSync(publisher.policy, join(own, NAME))
    expect(await open()).toBe('accepted')
  })
})

describe.runIf(ROOT)('however a policy is given, it is refused', () => {
  const ways: [string, (path: string) => Promise<unknown>][] = [
    ['by the option', (path) => open(path)],
    ['by loadPolicy', (path) => loadPolicy(path)],
    ['by watchPolicy', (path) => watchPolicy(path)],
    ['by checkPolicy', (path) => checkPolicy(path)],
    ['by testPolicy', (path) => testPolicy({ policy: path })],
    ['by MODELSEAL_POLICY', (path) => (vi.stubEnv('MODELSEAL_POLICY', path), open())],
    [
      'by the working directory',
      (path) => {
        renameSync(path, join(dirname(path), NAME))
        process.chdir(dirname(path))
        return open()
      },
    ],
  ]

  test.each(ways)('if it is writable by everybody and owned by another user: %s', async (_, use) => {
    await expect(use(theirs(join(own, 'given.yaml'), SKIP, 0o666))).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })

  test.each(ways)('that is writable by everybody: %s', async (_, use) => {
    await expect(use(mine(join(own, 'given.yaml'), SKIP, 0o666))).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', {
        expected: 'no write permission for group and others',
        found: 'owner 0, group 0, mode 0666',
      }),
    )
  })

  test.each(ways)('in a directory of another user: %s', async (_, use) => {
    const directory = join(own, 'directory')
    mkdirSync(directory)
    const path = mine(join(directory, 'given.yaml'), SKIP)
    chownSync(directory, STRANGER, STRANGER)
    await expect(use(path)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })

  test('that is writable by a group of several', async () => {
    const path = mine(join(own, 'given.yaml'), SKIP, 0o664)
    chownSync(path, 0, STRANGER)
    await expect(open(path)).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', { found: `owner 0, group ${STRANGER}, mode 0664` }),
    )
  })

  test('below a directory that is writable by everybody and not sticky', async () => {
    const path = mine(join(own, 'given.yaml'), SKIP)
    chmodSync(shared, 0o777)
    await expect(open(path)).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', { message: expect.stringContaining(`the directory "${shared}"`) as string }),
    )
  })

  test('that is reached through a link of another user, or through their directory', async () => {
    const path = mine(join(own, 'given.yaml'), SKIP)
    symlinkSync(path, join(shared, 'link.yaml'))
    lchownSync(join(shared, 'link.yaml'), STRANGER, STRANGER)
    await expect(open(join(shared, 'link.yaml'))).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', { message: expect.stringContaining('the symbolic link') as string }),
    )
    mkdirSync(join(shared, 'theirs'))
    symlinkSync(path, join(shared, 'theirs/link.yaml'))
    symlinkSync('../theirs/link.yaml', join(own, 'mine.yaml'))
    chownSync(join(shared, 'theirs'), STRANGER, STRANGER)
    await expect(open(join(own, 'mine.yaml'))).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', { message: expect.stringContaining('the directory') as string }),
    )
  })

  test('that another user hard-linked into a directory writable by everybody', async () => {
    // Possible if fs.protected_hardlinks is 0.
    linkSync(mine(join(own, 'for-tests-only.yaml'), SKIP), join(shared, NAME))
    await expect(open()).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', {
        file: join(shared, NAME),
        expected: 'a directory that nobody else can write to',
        found: 'owner 0, mode 0644, in a directory that others can write to',
      }),
    )
    // The former name was removed, so no trace of it remains.
    rmSync(join(own, 'for-tests-only.yaml'))
    await expect(open()).rejects.toThrow(refusal('POLICY_UNTRUSTED', { file: join(shared, NAME) }))
    const hidden = join(own, 'theirs.yaml')
    linkSync(theirs(join(shared, 'theirs.yaml'), SKIP), hidden)
    await expect(open(hidden)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })
})

test.runIf(ROOT)('a file of root that another user moves into a directory writable by everybody', async () => {
  // Root may leave such a file after running a build or a copy in another user's home directory.
  const home = join(shared, 'home')
  mkdirSync(home)
  mine(join(home, 'copy.yaml'), SKIP)
  mkdirSync(join(home, 'sub'))
  chownSync(home, STRANGER, STRANGER)
  chmodSync(dirname(shared), 0o711)
  const as = (...command: string[]) => spawnSync(command[0] ?? '', command.slice(1), { uid: STRANGER, gid: STRANGER })
  expect(as('mv', join(home, 'copy.yaml'), join(shared, NAME)).status).toBe(0)
  await expect(open()).rejects.toThrow(refusal('POLICY_UNTRUSTED', { file: join(shared, NAME) }))
  // A directory of root in a sticky one is acceptable, because nobody else can have moved it there.
  expect(as('mv', join(home, 'sub'), join(shared, 'sub')).status).not.toBe(0)
})

describe.runIf(ROOT)('files that a policy names must be as trusted as the policy', () => {
  const pem = () => readFileSync(publisher.publicKey)
  const rules = `rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]`
  const key = 'release: { publicKey: release.pub }'

  test.each([
    ['an include', `version: 1\ninclude: [named]\ntrustRoots: { ${key} }\n${rules}`],
    ['a key', `version: 1\ntrustRoots: { release: { publicKey: named } }\n${rules}`],
    ['a root certificate', `version: 1\ntrustRoots: { ${key}, a: { certificates: { roots: named } } }\n${rules}`],
    [
      'a revocation list',
      `version: 1\ntrustRoots: { ${key}, a: { certificates: { roots: named, crls: named } } }\n${rules}`,
    ],
    ['a timestamp authority', `version: 1\ntrustRoots: { ${key}, a: { timestampAuthorities: named } }\n${rules}`],
    ['a Sigstore root', `version: 1\ntrustRoots: { ${key}, a: { sigstore: { file: named } } }\n${rules}`],
    [
      'the root of a TUF repository',
      `version: 1\ntrustRoots: { ${key}, a: { sigstore: { tufUrl: 'https://tuf.example', tufRoot: named } } }\n${rules}`,
    ],
  ])('%s', async (_, text) => {
    const policy = mine(join(own, 'given.yaml'), text)
    const named = mine(join(own, 'named'), pem().toString(), 0o666)
    await expect(open(policy)).rejects.toThrow(refusal('POLICY_UNTRUSTED', { line: expect.any(Number) as number }))
    chmodSync(named, 0o644)
    chownSync(named, STRANGER, STRANGER)
    await expect(open(policy)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
    expect(await checkPolicy(policy)).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'POLICY_UNTRUSTED' }),
    )
  })

  test('and so must the expectations for policy test', async () => {
    theirs(join(own, 'policy.test.yaml'), '[{ model: model, expect: accepted }]')
    await expect(testPolicy({ policy: publisher.policy })).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })
})

describe('the nearest name is the policy, and a looser one above does not decide when it', () => {
  beforeEach(() => {
    // So that it would be used.
    chmodSync(shared, 0o755)
    mine(join(shared, NAME), SKIP)
  })

  test('is a link that leads nowhere', async () => {
    symlinkSync('gone.yaml', join(own, NAME))
    await expect(open()).rejects.toThrow(
      refusal('POLICY_NOT_FOUND', { found: expect.stringContaining('gone.yaml') as string }),
    )
  })

  test('is a link that leads to itself', async () => {
    symlinkSync(NAME, join(own, NAME))
    await expect(open()).rejects.toThrow(refusal('FILE_UNREADABLE'))
  })

  test('leads through a file as if it were a directory', async () => {
    symlinkSync('policy.yaml/inner', join(own, NAME))
    await expect(open()).rejects.toThrow(refusal('POLICY_NOT_FOUND'))
  })

  test('is a directory', async () => {
    mkdirSync(join(own, NAME))
    await expect(open()).rejects.toThrow(refusal('FILE_SPECIAL'))
  })

  test('has two names', async () => {
    mine(join(own, NAME), SKIP)
    symlinkSync('gone.yaml', join(own, 'modelseal.policy.json'))
    await expect(open()).rejects.toThrow(refusal('POLICY_INVALID'))
  })

  test.runIf(ROOT)('cannot be read, or not even be seen', async () => {
    const warmUp = { model, policy: publisher.policy }
    await sign()
    const inner = join(own, 'inner')
    mkdirSync(inner)
    for (const directory of [own, shared, dirname(shared)]) chmodSync(directory, 0o755)
    mine(join(inner, NAME), SKIP, 0o600)
    expect(judged({ model, warmUp, user: STRANGER }, { cwd: inner })).toMatchObject({ code: 'FILE_UNREADABLE' })
    rmSync(join(inner, NAME))
    expect(judged({ model, warmUp, user: STRANGER }, { cwd: inner })).toMatchObject({ decision: 'skipped' })
    chmodSync(inner, 0o700)
    expect(judged({ model, warmUp, user: STRANGER }, { cwd: inner })).toMatchObject({ code: 'FILE_UNREADABLE' })
  })
})

test.runIf(ROOT)('a policy that is replaced while it is checked is judged by the bytes that were read', async () => {
  await sign()
  const path = join(own, 'swapped.yaml')
  const swapper = spawnSwapper(path)
  const seen = new Set<string>()
  try {
    for (let i = 0; i < 200; i++) {
      const result = await loadPolicy(path).then(
        (policy) => `rule ${rulesOf(policy)[0]?.mode}`,
        (error: unknown) => (error as { code: string }).code,
      )
      seen.add(result)
    }
  } finally {
    swapper.stop()
  }
  // Never by the rule in the other user's file.
  expect([...seen].filter((result) => !['rule enforce', 'POLICY_UNTRUSTED'].includes(result))).toEqual([])
  expect(seen.size).toBeGreaterThan(0)
})

/** Endlessly renames a good policy and another user's over each other, in a separate thread. */
function spawnSwapper(path: string): { stop: () => void } {
  const [good, bad] = [`${path}.good`, `${path}.bad`]
  mine(good, readFileSync(publisher.policy, 'utf8'))
  theirs(bad, SKIP)
  const flag = new SharedArrayBuffer(4)
  const code = `const { copyFileSync, chownSync, renameSync } = require('node:fs')
    const { path, good, bad, stranger, flag } = require('node:worker_threads').workerData
    const stop = new Int32Array(flag)
    for (let i = 0; stop[0] === 0; i++) {
      copyFileSync(i % 2 ? bad : good, path + '.next')
      if (i % 2) chownSync(path + '.next', stranger, stranger)
      renameSync(path + '.next', path)
    }`
  renameSync(good, path)
  mine(good, readFileSync(publisher.policy, 'utf8'))
  const worker = new Worker(code, { eval: true, workerData: { path, good, bad, stranger: STRANGER, flag } })
  return { stop: () => (Atomics.store(new Int32Array(flag), 0, 1), void worker.terminate()) }
}
