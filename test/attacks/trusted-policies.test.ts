import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadPolicy } from '@modelseal/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { publisherIn, rulesOf, scratch, writeTree, type Publisher } from '../support/models.ts'
import { canRun, judged, ROOT, STRANGER } from './judging.ts'

// Policies that nobody else can write to are accepted, however unusual their owner and mode. Also: how far up the search goes.

const NAME = 'modelseal.policy.yaml'
const start = process.cwd()

let directory: string
let publisher: Publisher

beforeEach(() => {
  directory = scratch()
  publisher = publisherIn(directory)
  for (const name of ['MODELSEAL_POLICY', 'MODELSEAL_POLICY_OWNER', 'HOME']) vi.stubEnv(name, undefined)
})

afterEach(() => {
  process.chdir(start)
  vi.unstubAllEnvs()
})

function refusal(code: string, details: object = {}) {
  return expect.objectContaining({ name: 'ModelSealError', code, ...details }) as Error
}

const ruleOf = async (path?: string) => rulesOf(await loadPolicy(path))[0]?.name

describe.runIf(ROOT)('MODELSEAL_POLICY_OWNER', () => {
  test('names exactly one other user whose policies count', async () => {
    mkdirSync(join(directory, 'image'))
    const { policy, publicKey } = publisherIn(join(directory, 'image'))
    for (const path of [dirname(policy), policy, publicKey]) chownSync(path, STRANGER, STRANGER)
    vi.stubEnv('MODELSEAL_POLICY_OWNER', String(STRANGER + 1))
    await expect(ruleOf(policy)).rejects.toThrow(
      refusal('POLICY_UNTRUSTED', { expected: `owner 0 or ${STRANGER + 1}` }),
    )
    vi.stubEnv('MODELSEAL_POLICY_OWNER', String(STRANGER))
    expect(await ruleOf(policy)).toBe('all')
    // Policies of root still count, and permissions are still checked.
    expect(await ruleOf(publisher.policy)).toBe('all')
    chmodSync(publicKey, 0o666)
    await expect(ruleOf(policy)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
  })

  test.each(['nobody', '-1', '1000 ', '0x3e8', '1e3', '01000', '1000,1001', '4294967295', '99999999999', '1.5'])(
    'refuses an invalid user id: %j',
    async (value) => {
      vi.stubEnv('MODELSEAL_POLICY_OWNER', value)
      await expect(ruleOf(publisher.policy)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
    },
  )

  test('counts as unset if empty', async () => {
    vi.stubEnv('MODELSEAL_POLICY_OWNER', '')
    expect(await ruleOf(publisher.policy)).toBe('all')
  })
})

/** Name, number, and the only user with it as the primary group. */
function privateGroupOfRoot(): boolean {
  const lines = (path: string) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  const users = lines('/etc/passwd').filter(([, , , gid]) => gid === '0')
  const groups = lines('/etc/group').filter(([, , gid]) => gid === '0')
  return users.length === 1 && groups.length === 1 && groups[0]?.[0] === 'root' && groups[0][3] === ''
}

describe.runIf(ROOT)('write permission of the group', () => {
  test.runIf(privateGroupOfRoot())(
    'does not count if the owner is the only member of the group (umask 002)',
    async () => {
      const umask = process.umask(0o002)
      try {
        mkdirSync(join(directory, 'clone'))
        const { policy, publicKey } = publisherIn(join(directory, 'clone'))
        chmodSync(publicKey, 0o664)
        expect(await ruleOf(policy)).toBe('all')
        chownSync(join(directory, 'clone'), 0, STRANGER)
        await expect(ruleOf(policy)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
      } finally {
        process.umask(umask)
      }
    },
  )

  test('counts if others have it as their primary group or its members are unknown', async () => {
    chmodSync(publisher.policy, 0o664)
    for (const group of [65_534, STRANGER, 100]) {
      chownSync(publisher.policy, 0, group)
      await expect(ruleOf(publisher.policy)).rejects.toThrow(refusal('POLICY_UNTRUSTED'))
    }
  })
})

const MOUNTS = ROOT && canRun('unshare', '-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt && mount -o remount,ro /mnt')

describe.runIf(MOUNTS)('on a file system that is mounted read-only', () => {
  /** Like a ConfigMap in Kubernetes, in the mount namespace of the judging process. */
  function inConfigMap(script: string): Record<string, unknown> {
    const place = join(directory, 'config')
    mkdirSync(place)
    const files = `cd ${place} && mkdir ..2026_01_01 && chmod 0777 . ..2026_01_01 && cp ${publisher.policy} ${publisher.publicKey} ..2026_01_01 &&
      chmod 0666 ..2026_01_01/* && ln -s ..2026_01_01 ..data && ln -s ..data/policy.yaml policy.yaml && ln -s ..data/release.pub release.pub`
    const within = [
      'unshare',
      '-m',
      'sh',
      '-ec',
      `mount -t tmpfs tmpfs ${place}; ${files}; ${script}; cd /; exec "$@"`,
      'sh',
    ]
    const model = join(directory, 'model')
    writeTree(model, { 'a.bin': 'weights' })
    return judged({ model, policy: join(place, 'policy.yaml'), isolation: 'memory' }, { within })
  }

  test('nobody can write, whatever the modes say', () => {
    // The policy was read and decided.
    expect(inConfigMap('mount -o remount,ro .')).toMatchObject({ code: 'POLICY_NO_MATCH' })
  })

  test('nobody can write through a read-only view of a writable file system either', () => {
    expect(inConfigMap('mount --bind . . && mount -o remount,ro,bind "$PWD"')).toMatchObject({
      code: 'POLICY_NO_MATCH',
    })
  })

  test('nobody can write to a Nix store, even if the user may not either', () => {
    const place = join(directory, 'store')
    mkdirSync(place)
    chmodSync(directory, 0o755)
    const model = join(directory, 'model')
    writeTree(model, { 'a.bin': 'weights' })
    const files = `mount -t tmpfs -o mode=1775,gid=${STRANGER} tmpfs ${place}; cd ${place}
      cp ${publisher.policy} ${publisher.publicKey} . && chmod 0444 * && ln policy.yaml the-same`
    const judgedWith = (script: string) => {
      const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
      const command = `${files}; ${script}; cd /; exec ${user.join(' ')} "$@"`
      const within = ['unshare', '-m', 'sh', '-ec', command, 'sh']
      return judged({ model, policy: join(place, 'policy.yaml'), isolation: 'memory' }, { within })
    }
    expect(judgedWith('mount --bind . . && mount -o remount,ro,bind "$PWD"')).toMatchObject({ code: 'POLICY_NO_MATCH' })
    expect(judgedWith('true')).toMatchObject({ code: 'POLICY_UNTRUSTED' })
  })

  test('but everybody can once it is mounted writable', () => {
    expect(inConfigMap('true')).toMatchObject({ code: 'POLICY_UNTRUSTED' })
  })

  test('files of another user still count as theirs', () => {
    expect(inConfigMap(`chown ${STRANGER} ..data/policy.yaml; mount -o remount,ro .`)).toMatchObject({
      code: 'POLICY_UNTRUSTED',
    })
  })
})

describe('the search for a policy ends at', () => {
  let inner: string

  beforeEach(() => {
    inner = join(directory, 'a/b/c')
    mkdirSync(inner, { recursive: true })
    renameSync(publisher.policy, join(directory, NAME))
    process.chdir(inner)
  })

  test('it is found', async () => {
    expect(await ruleOf()).toBe('all')
  })

  test.each([
    ['a directory', () => mkdirSync('../.git')],
    ['the file of a worktree', () => writeFileSync('../.git', 'gitdir: elsewhere')],
    ['a link that leads nowhere', () => symlinkSync('gone', '../.git')],
  ])('the root of a git repository: %s', async (_, make) => {
    make()
    await expect(ruleOf()).rejects.toThrow(
      refusal('POLICY_NOT_FOUND', { found: expect.stringContaining('the root of a git repository') as string }),
    )
    for (const name of [NAME, 'release.pub']) renameSync(join(directory, name), join(dirname(inner), name))
    expect(await ruleOf()).toBe('all')
  })

  test('the home directory', async () => {
    symlinkSync('a/b', join(directory, 'home'))
    vi.stubEnv('HOME', join(directory, 'home'))
    await expect(ruleOf()).rejects.toThrow(
      refusal('POLICY_NOT_FOUND', { found: expect.stringContaining('the home directory') as string }),
    )
    vi.stubEnv('HOME', directory)
    expect(await ruleOf()).toBe('all')
  })

  test.runIf(MOUNTS)('the root of a file system', () => {
    const mount = `mount -t tmpfs tmpfs ${dirname(inner)} && mkdir ${inner} && cd ${inner} && exec "$@"`
    const result = judged({ model: directory }, { within: ['unshare', '-m', 'sh', '-ec', mount, 'sh'] })
    expect(result).toMatchObject({
      code: 'POLICY_NOT_FOUND',
      found: expect.stringContaining('the root of a file system') as string,
    })
  })
})

test('a policy that is constantly replaced by renames and links can be read at any time', async () => {
  const place = join(directory, 'config')
  writeTree(place, { '..1/policy.yaml': readFileSync(publisher.policy), '..1/release.pub': publisher.publicPem })
  symlinkSync('..1', join(place, '..data'))
  symlinkSync('..data/policy.yaml', join(place, 'policy.yaml'))
  symlinkSync('..data/release.pub', join(place, 'release.pub'))
  for (let i = 2; i < 40; i++) {
    execFileSync('cp', ['-r', join(place, `..${i - 1}`), join(place, `..${i}`)])
    const loading = ruleOf(join(place, 'policy.yaml'))
    symlinkSync(`..${i}`, join(place, '..next'))
    renameSync(join(place, '..next'), join(place, '..data'))
    expect(await loading).toBe('all')
    rmSync(join(place, `..${i - 1}`), { recursive: true })
  }
})
