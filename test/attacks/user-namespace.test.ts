import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { publisherIn, scratch, writeTree, type Publisher } from '../support/models.ts'
import { canRun, JUDGE, judged, ROOT, STRANGER, type Asked } from './judging.ts'

// In a user namespace that does not map all users, files of unmapped users appear to belong to 65534, and so does a
// process whose own user is unmapped.

/** A process whose own user is not mapped. */
const UNMAPPED = ['unshare', '-U']
/** Root in the namespace; nobody else is mapped. */
const ROOT_ONLY = ['unshare', '-U', '-r']
const NOBODY = Number(readFileSync('/proc/sys/kernel/overflowuid', 'latin1'))
const NAMESPACES = ROOT && canRun('unshare', '-U', 'true')

let directory: string
let publisher: Publisher
let model: string

beforeEach(async () => {
  directory = scratch()
  chmodSync(directory, 0o755)
  publisher = publisherIn(directory)
  model = join(directory, 'model')
  writeTree(model, { 'a.bin': 'weights' })
  await signModel(model, { signer: await keySigner({ privateKey: publisher.privateKey }) })
})

function give(user: number, ...paths: string[]): void {
  for (const path of paths) chownSync(path, user, user)
}

describe.runIf(NAMESPACES)('in a user namespace that does not map all users', () => {
  test("a stranger's policy does not count as this user's", () => {
    give(STRANGER, publisher.policy)
    expect(judged({ model, policy: publisher.policy, isolation: 'memory' }, { within: UNMAPPED })).toMatchObject({
      code: 'POLICY_UNTRUSTED',
      found: expect.stringContaining('any user that this user namespace does not map') as string,
    })
  })

  test('naming the overflow user does not help', () => {
    const setting = { within: ROOT_ONLY, env: { MODELSEAL_POLICY_OWNER: String(NOBODY) } }
    give(STRANGER, publisher.policy)
    const result = judged({ model, policy: publisher.policy, isolation: 'memory' }, setting)
    expect(result).toMatchObject({ code: 'POLICY_UNTRUSTED' })
  })

  describe('if this user is mapped to the id that also stands for strangers', () => {
    let asked: Asked

    beforeEach(() => {
      const temporary = join(directory, 'tmp')
      mkdirSync(temporary, { mode: 0o700 })
      give(USER, temporary)
      give(STRANGER, join(model, 'a.bin'))
      asked = { model, policy: publisher.policy }
      vi.stubEnv('TMPDIR', temporary)
      onTestFinished(() => void vi.unstubAllEnvs())
    })

    test("a stranger's file is not loaded in place", async () => {
      expect(await judgedAsNobody({ ...asked, isolation: 'memory' })).toMatchObject({ decision: 'accepted' })
      expect(await judgedAsNobody({ ...asked, isolation: 'in-place' })).toMatchObject({
        code: 'ISOLATION_REFUSED',
        found: expect.stringContaining('any user that this user namespace does not map') as string,
      })
    })

    test('no directory counts as private', async () => {
      expect(await judgedAsNobody({ ...asked, isolation: 'copy' })).toMatchObject({ code: 'ISOLATION_REFUSED' })
    })

    test("a stranger's policy, or key, does not count", async () => {
      for (const file of [publisher.policy, publisher.publicKey]) {
        give(STRANGER, file)
        expect(await judgedAsNobody({ ...asked, isolation: 'memory' })).toMatchObject({ code: 'POLICY_UNTRUSTED' })
        give(0, file)
      }
    })
  })
})

/** A user who has the overflow id in the namespace, where only root is mapped otherwise. */
const USER = 12_345

async function judgedAsNobody(asked: Asked): Promise<Record<string, unknown>> {
  const wait = 'read -r go && exec "$@"'
  const judge = [process.execPath, JUDGE, JSON.stringify(asked)]
  const child = spawn('unshare', ['-U', 'sh', '-c', wait, 'sh', ...judge], {
    uid: USER,
    gid: USER,
    env: { ...process.env, NODE_OPTIONS: undefined },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  while (readlinkSync(`/proc/${child.pid}/ns/user`) === readlinkSync('/proc/self/ns/user')) await setTimeout(5)
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, `0 0 1\n${NOBODY} ${USER} 1\n`)
  child.stdin.end('go\n')
  await ended
  return JSON.parse(output) as Record<string, unknown>
}

describe.runIf(ROOT)('if all users are mapped, 65534 is an ordinary user', () => {
  test("whose own files do not count as a stranger's", () => {
    const home = mkdtempSync(join(tmpdir(), 'modelseal-'))
    try {
      give(NOBODY, directory, publisher.policy, publisher.publicKey, model, join(model, 'a.bin'), home)
      const warmUp = { model, policy: publisher.policy }
      const setting = { env: { TMPDIR: home }, cwd: dirname(model) }
      const asked = { model, policy: publisher.policy, user: NOBODY, warmUp }
      give(0, directory, publisher.policy, publisher.publicKey)
      expect(judged({ ...asked, isolation: 'in-place' }, setting)).toMatchObject({ isolation: 'in-place' })
      expect(judged({ ...asked, isolation: 'copy' }, setting)).toMatchObject({ isolation: 'copy' })
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})
