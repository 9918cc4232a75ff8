import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Environment } from '../environment.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { findPolicy, policyAtStart } from './find-policy.ts'

const FILE = 'modelseal.policy.yaml'
const at = (directory: string | undefined, more: Partial<Environment> = {}): Environment => ({
  fixed: false,
  directory,
  home: undefined,
  variables: {},
  ...more,
})

/** The policy that a search from a directory finds, or the error. */
async function searched(directory: string, { home }: { home?: string } = {}): Promise<unknown> {
  const before = process.cwd()
  onTestFinished(() => process.chdir(before))
  process.chdir(directory)
  if (home !== undefined) vi.stubEnv('HOME', home)
  return findPolicy(undefined).catch((error: unknown) => error)
}

beforeEach(() => void vi.stubEnv('MODELSEAL_POLICY', undefined))
afterEach(() => void vi.unstubAllEnvs())

describe('the policy that is given', () => {
  test('is made absolute', async () => {
    expect(await findPolicy('p.yaml')).toBe(join(process.cwd(), 'p.yaml'))
    expect(await findPolicy(pathToFileURL('/srv/p.yaml'))).toBe('/srv/p.yaml')
  })

  test('counts before the one in the environment', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/srv/q.yaml')
    expect(await findPolicy('/srv/p.yaml')).toBe('/srv/p.yaml')
    expect(await findPolicy(undefined)).toBe('/srv/q.yaml')
  })

  test('is refused if it is empty', async () => {
    await expect(findPolicy('')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('the search for a policy', () => {
  test.each(['modelseal.policy.yaml', 'modelseal.policy.yml', 'modelseal.policy.json'])('finds %s', async (name) => {
    const directory = scratch({ [name]: '', 'a/b/file': '' })
    expect(await searched(directory)).toBe(join(directory, name))
    expect(await searched(join(directory, 'a/b'))).toBe(join(directory, name))
  })

  test('refuses a directory with two', async () => {
    const directory = scratch({ 'modelseal.policy.yml': '', 'modelseal.policy.json': '' })
    expect(await searched(directory)).toEqual(
      refusal('POLICY_INVALID', { file: directory, found: 'modelseal.policy.yml and modelseal.policy.json' }),
    )
  })

  test('ends at the home directory, which may have one', async () => {
    const above = scratch({ [FILE]: '', 'home/a/file': '' })
    const home = join(above, 'home')
    expect(await searched(join(home, 'a'), { home })).toEqual(
      refusal('POLICY_NOT_FOUND', { found: `none from "${home}/a" up to "${home}", the home directory` }),
    )
    expect(await searched(join(home, 'a'), { home: above })).toBe(join(above, FILE))
    expect(await searched(join(home, 'a'), { home: join(above, 'missing') })).toBe(join(above, FILE))
  })

  test('ends at the root of a git repository, which may have one', async () => {
    const above = scratch({ [FILE]: '', 'repository/.git/HEAD': '', 'repository/a/file': '' })
    const repository = join(above, 'repository')
    expect(await searched(join(repository, 'a'))).toEqual(
      refusal('POLICY_NOT_FOUND', {
        found: `none from "${repository}/a" up to "${repository}", the root of a git repository`,
      }),
    )
    const worktree = scratch({ [FILE]: '', '.git': 'gitdir: elsewhere', 'a/file': '' })
    expect(await searched(join(worktree, 'a'))).toBe(join(worktree, FILE))
  })

  test('ends at the root, and says what to do', async () => {
    expect(await searched('/', { home: '/nowhere' })).toEqual(
      refusal('POLICY_NOT_FOUND', {
        found: 'none in "/", the root',
        hint: expect.stringMatching(/--policy.*MODELSEAL_POLICY.*modelseal\.policy\.yaml/) as string,
      }),
    )
  })

  test.runIf(process.platform === 'linux')('ends at the root of a file system', async () => {
    expect(await searched('/proc/self', { home: '/nowhere' })).toEqual(
      refusal('POLICY_NOT_FOUND', {
        found: expect.stringMatching(/^none from "\/proc\/\d+" up to "\/proc", the root of a file system$/) as string,
      }),
    )
  })
})

describe('the search when a process fixes its environment', () => {
  test('finds the policy', () => {
    const directory = scratch({ [FILE]: '' })
    expect(policyAtStart(at(directory))).toBe(join(directory, FILE))
  })

  test('is not needed if the environment names one', () => {
    expect(policyAtStart(at('/', { variables: { MODELSEAL_POLICY: '/p.yaml' } }))).toBeUndefined()
  })

  test.each<[string, () => Environment]>([
    ['there is none', () => at('/')],
    ['there are two', () => at(scratch({ [FILE]: '', 'modelseal.policy.yml': '' }))],
    ['the working directory was deleted', () => at(undefined)],
    ['the thread cannot know', () => at(scratch({ [FILE]: '' }), { incomplete: true })],
  ])('finds none if %s', (_, environment) => expect(policyAtStart(environment())).toBeNull())

  test('passes on other errors', () => {
    expect(() => policyAtStart({ ...at('/'), directory: 7 as never })).toThrow(TypeError)
  })
})

describe('in a process with a fixed environment', () => {
  function fixed(environment: Partial<Environment>): void {
    vi.doMock('../environment.ts', () => ({ environment: () => at('/', { fixed: true, ...environment }) }))
    vi.resetModules()
    onTestFinished(() => {
      vi.doUnmock('../environment.ts')
      vi.resetModules()
    })
  }
  const find = async () => (await import('./find-policy.ts')).findPolicy(undefined)

  test('the policy is the one that was found', async () => {
    fixed({ policy: '/found.yaml' })
    expect(await find()).toBe('/found.yaml')
    fixed({ policy: '/found.yaml', variables: { MODELSEAL_POLICY: '/named.yaml' } })
    expect(await find()).toBe('/named.yaml')
  })

  test('a policy that appeared later is refused', async () => {
    const directory = scratch({ [FILE]: '' })
    fixed({ policy: null, directory })
    const file = join(directory, FILE)
    await expect(find()).rejects.toEqual(
      refusal('POLICY_NOT_FOUND', {
        file,
        expected: 'a policy that exists before the process starts',
        found: `"${file}", which appeared later`,
      }),
    )
  })

  test('no policy is found in a thread that cannot know', async () => {
    fixed({ incomplete: true, directory: scratch({ [FILE]: '' }) })
    await expect(find()).rejects.toEqual(
      refusal('POLICY_NOT_FOUND', {
        expected: 'MODELSEAL_POLICY in the environment of the thread',
        found: 'a thread with its own environment, which cannot see that of the process',
      }),
    )
  })

  test('a search that cannot look into a directory fails', async () => {
    const directory = join(scratch({ file: '' }), 'file')
    fixed({ directory })
    const message = expect.stringContaining('trust policy') as string
    await expect(find()).rejects.toEqual(refusal('FILE_UNREADABLE', { file: join(directory, FILE), message }))
  })

  test('a search in a directory that is gone fails', async () => {
    const directory = join(scratch(), 'gone')
    fixed({ directory })
    const message = expect.stringContaining('the directory') as string
    await expect(find()).rejects.toEqual(refusal('FILE_UNREADABLE', { file: directory, message }))
  })

  test('no policy is found without a working directory', async () => {
    fixed({ directory: undefined })
    await expect(find()).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('find the trust policy') as string }),
    )
  })
})
