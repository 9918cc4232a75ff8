import {
  chmodSync,
  chownSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openVerifiedModel } from '../loading/open-verified-model.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { TestSite } from '../testing/site.ts'
import { loadPolicy, policyForLoad } from './load-policy.ts'
import type { CompiledPolicy } from './policy.ts'

let site: TestSite
let path: string

beforeEach(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b', 'c']) await site.key(name)
  await site.write('included.yaml', 'version: 1\nrevoked: { rootDigests: [] }\n')
  path = await site.policy(text(), 'policy.yaml')
  await settled()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await site.remove()
})

function text(more = {}) {
  return {
    version: 1,
    include: ['included.yaml'],
    trustRoots: { root: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match: { path: 'model' }, signers: [{ key: 'root' }] }],
    revoked: { keys: [{ file: 'c.pub' }] },
    ...more,
  }
}

/** Longer than a tick of the clock for file times. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 40))

const KEEPS = process.platform === 'linux' && foreignFileSystem(process.env.TMPDIR ?? '/tmp') === undefined
const ROOT = process.geteuid?.() === 0

describe.runIf(KEEPS)('a policy given by path', () => {
  test('is compiled once for all loads while its files do not change', async () => {
    const loads = await Promise.all(Array.from({ length: 8 }, () => policyForLoad(path)))
    expect(new Set([...loads, await policyForLoad(path)]).size).toBe(1)
  })

  test.each<[string, () => unknown]>([
    ['it is written again', () => rewrite('policy.yaml')],
    ['it is written again with its old times', () => rewrite('policy.yaml', { keepTimes: true })],
    ['a file that it includes is', () => rewrite('included.yaml', { keepTimes: true })],
    ['a key that it trusts is', () => rewrite('a.pub', { keepTimes: true })],
    ['a key that it revokes is', () => rewrite('c.pub', { keepTimes: true })],
    ['a key is replaced', () => renameSync(site.file('b.pub'), site.file('a.pub'))],
    ['a key is now behind a link', () => hideBehindLink('a.pub')],
    ['its mode changes', () => chmodSync(path, 0o600)],
  ])('is read again if %s', async (_, change) => {
    const before = await policyForLoad(path)
    change()
    expect(await policyForLoad(path)).not.toBe(before)
  })

  test('is read again if a link on its path leads to another directory, and back', async () => {
    for (const name of ['one', 'two']) {
      await mkdir(site.file(name))
      await site.key(`${name}/a`)
      await site.policy(
        { ...text({ include: undefined, revoked: undefined }), rules: [rule(name)] },
        `${name}/policy.yaml`,
      )
    }
    await settled()
    const nameOf = async () => (await policyForLoad(site.file('current/policy.yaml'))).rules[0]?.name
    for (const name of ['one', 'two', 'one']) {
      rmSync(site.file('current'), { force: true })
      symlinkSync(name, site.file('current'))
      expect(await nameOf()).toBe(name)
    }
  })

  test('is read again if another directory replaces its own', async () => {
    await mkdir(site.file('own'))
    for (const name of ['policy.yaml', 'a.pub', 'c.pub', 'included.yaml'])
      renameSync(site.file(name), site.file('own', name))
    await settled()
    const before = await policyForLoad(site.file('own/policy.yaml'))
    renameSync(site.file('own'), site.file('old'))
    await mkdir(site.file('own'))
    for (const name of ['policy.yaml', 'a.pub', 'c.pub', 'included.yaml'])
      renameSync(site.file('old', name), site.file('own', name))
    expect(await policyForLoad(site.file('own/policy.yaml'))).not.toBe(before)
  })

  test('is not kept while another change might not show in the state of a file', async () => {
    const now = Date.now()
    rewrite('a.pub')
    const before = await policyForLoad(path)
    // Otherwise, this machine was too slow to read it in time.
    if (Date.now() - now < 15) expect(await policyForLoad(path)).not.toBe(before)
  })

  test('is kept if it is one of the last sixteen', async () => {
    const first = await policyForLoad(path)
    const others = await Promise.all(
      Array.from({ length: 15 }, (_, i) => site.policy(text({ rules: [rule(`r${i}`)] }))),
    )
    await settled()
    for (const other of others) await policyForLoad(other)
    expect(await policyForLoad(path)).toBe(first)
    const more = await site.policy(text())
    await settled()
    const second = await policyForLoad(others[0])
    await policyForLoad(more)
    expect(await policyForLoad(others[0])).toBe(second)
    for (const other of [...others.slice(1), more]) await policyForLoad(other)
    expect(await policyForLoad(path)).not.toBe(first)
  })

  test('is not what loadPolicy() returns, which callers could change', async () => {
    const judging = await policyForLoad(path)
    const own = (await loadPolicy(path)) as CompiledPolicy
    expect(own).not.toBe(judging)
    expect(own.rules[0]).not.toBe(judging.rules[0])
    expect(own.roots).not.toBe(judging.roots)
  })
})

describe('a load by path, after others by the same path', () => {
  const load = () =>
    openVerifiedModel(site.file('model'), { policy: path }).then(
      ({ verdict }) => verdict.decision,
      (error: unknown) => (error as { code: string }).code,
    )

  beforeEach(async () => {
    await site.signedModel('model')
    await settled()
    expect([await load(), await load()]).toEqual(['accepted', 'accepted'])
  })

  test('is refused by a policy that now revokes the model', async () => {
    const digest = await site.sign('model', 'a')
    await site.write('included.yaml', `version: 1\nrevoked: { rootDigests: [${digest}] }\n`)
    expect(await load()).toBe('MODEL_REVOKED')
  })

  test('is refused when the key has been replaced', async () => {
    renameSync(site.file('b.pub'), site.file('a.pub'))
    expect(await load()).toBe('SIGNER_NOT_TRUSTED')
  })

  test('is refused while the policy is not valid, and accepted once it is again', async () => {
    const valid = readFileSync(path)
    writeFileSync(path, 'version: 2\n')
    expect([await load(), await load()]).toEqual(['POLICY_INVALID', 'POLICY_INVALID'])
    writeFileSync(path, valid)
    expect(await load()).toBe('accepted')
  })

  test('is refused while the policy is missing', async () => {
    renameSync(path, `${path}.moved`)
    expect(await load()).toBe('POLICY_NOT_FOUND')
    renameSync(`${path}.moved`, path)
    expect(await load()).toBe('accepted')
  })

  test.runIf(process.geteuid).each(['policy.yaml', 'included.yaml', 'a.pub', 'c.pub', '.'])(
    'is refused while others can write to %s',
    async (name) => {
      const { mode } = statSync(site.file(name))
      chmodSync(site.file(name), mode | 0o002)
      expect(await load()).toBe('POLICY_UNTRUSTED')
      chmodSync(site.file(name), mode)
      expect(await load()).toBe('accepted')
    },
  )

  test.runIf(ROOT)(
    'is refused when a file or directory of the policy belongs to a user who is no longer trusted',
    async () => {
      for (const file of [path, site.path]) {
        chownSync(file, 4711, 4711)
        vi.stubEnv('MODELSEAL_POLICY_OWNER', '4711')
        expect([await load(), await load()]).toEqual(['accepted', 'accepted'])
        vi.stubEnv('MODELSEAL_POLICY_OWNER', undefined)
        expect(await load()).toBe('POLICY_UNTRUSTED')
        chownSync(file, 0, 0)
      }
    },
  )

  test('is refused once the policy is too old', async () => {
    const issued = new Date(Date.now() - 3_600_000).toISOString()
    await site.policy(text({ issued, maxAge: '2h' }), 'policy.yaml')
    await settled()
    expect([await load(), await load()]).toEqual(['accepted', 'accepted'])
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * 3_600_000)
    expect(await load()).toBe('POLICY_STALE')
    vi.restoreAllMocks()
  })
})

const rule = (name: string) => ({ name, match: { path: 'model' }, signers: [{ key: 'root' }] })

/** Leaves a link to the file under its name. */
function hideBehindLink(name: string): void {
  renameSync(site.file(name), site.file('hidden'))
  symlinkSync('hidden', site.file(name))
}

/** Writes the same bytes again, into the same file. */
function rewrite(name: string, { keepTimes = false } = {}): void {
  const file = site.file(name)
  const { atime, mtime } = statSync(file)
  writeFileSync(file, readFileSync(file))
  if (keepTimes) utimesSync(file, atime, mtime)
}
