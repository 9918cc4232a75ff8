import { chmodSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fileState, modifiedAt, unchanged } from './file-state.ts'
import { invalidPolicy, withoutPlace, type TextFile } from './invalid-policy.ts'
import { policyFileState, readPolicyFile } from './policy-file.ts'
import { TrackedFiles } from './reading.ts'

/** Files that nobody else can write, whatever the umask is. */
function privately(files: Readonly<Record<string, string>>): string {
  const directory = scratch(files)
  for (const name of Object.keys(files)) chmodSync(join(directory, name), 0o600)
  return directory
}

/** Reads a file until it is so old that a later change would show in its state. */
async function settled(path: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const read = vi.fn()
      await readPolicyFile(path, FILE, read)
      expect(read).toHaveBeenCalledWith(expect.objectContaining({ state: expect.any(String) as string }))
    },
    { timeout: 20_000 },
  )
}

const FILE = { what: 'trust policy', maxBytes: 100 }

afterEach(() => void vi.unstubAllEnvs())

describe('the state of a file', () => {
  test('changes with its content, size, time and identity', async () => {
    const directory = scratch({ a: 'one', b: 'one' })
    const path = join(directory, 'a')
    const seen = new Set([await fileState(path)])
    const changed = async () => {
      const state = await fileState(path)
      const isNew = !seen.has(state)
      seen.add(state)
      return isNew
    }
    expect(await changed()).toBe(false)
    writeFileSync(path, 'three')
    expect(await changed()).toBe(true)
    utimesSync(path, 1_000, 2_000)
    expect(await changed()).toBe(true)
    renameSync(join(directory, 'b'), path)
    expect(await changed()).toBe(true)
    const { dev, ino, size } = statSync(path)
    expect((await fileState(path)).split(':').slice(0, 3)).toEqual([dev, ino, size].map(String))
  })

  test('is that it is absent if there is none', async () => {
    expect(await fileState(join(scratch(), 'gone'))).toBe('absent')
  })

  test('tells whether any of several has changed, and when', async () => {
    const directory = scratch({ a: '1', b: '2' })
    const paths = ['a', 'b', 'gone'].map((name) => join(directory, name))
    utimesSync(paths[0] ?? '', 1_000, 2_000)
    utimesSync(paths[1] ?? '', 1_000, 3_000)
    const states = new Map(await Promise.all(paths.map(async (path) => [path, await fileState(path)] as const)))
    expect(modifiedAt(states)).toBe(3_000_000)
    expect(modifiedAt(new Map([['gone', 'absent']]))).toBe(0)
    expect(modifiedAt(new Map())).toBe(0)
    expect(await unchanged(states)).toBe(true)
    writeFileSync(paths[2] ?? '', 'new')
    expect(await unchanged(states)).toBe(false)
  })
})

describe('a file of a policy', () => {
  test('that others can write is refused', async () => {
    const path = join(privately({ p: '{}' }), 'p')
    expect((await readPolicyFile(path, FILE)).toString()).toBe('{}')
    expect(policyFileState(path)).toEqual(expect.any(String))
    chmodSync(path, 0o666)
    await expect(readPolicyFile(path, FILE)).rejects.toEqual(refusal('POLICY_UNTRUSTED'))
    expect(policyFileState(path)).toBeUndefined()
    expect(policyFileState(`${path}-gone`)).toBeUndefined()
  })

  test('has a state that reading it states, too', async () => {
    const path = join(privately({ p: '{}' }), 'p')
    await settled(path)
    const read = vi.fn()
    await readPolicyFile(path, FILE, read)
    expect(read.mock.calls).toEqual([[expect.objectContaining({ state: policyFileState(path) })]])
  })

  test.each(['0', '1000', '4294967294'])('may belong to the user %s', async (owner) => {
    vi.stubEnv('MODELSEAL_POLICY_OWNER', owner)
    expect((await readPolicyFile(join(privately({ p: '{}' }), 'p'), FILE)).toString()).toBe('{}')
  })

  test.each(['root', '-1', '1.0', '01', ' 1', '1 ', '4294967295', '10000000000', '1e3'])(
    'does not belong to a user %j',
    async (owner) => {
      vi.stubEnv('MODELSEAL_POLICY_OWNER', owner)
      const path = join(privately({ p: '{}' }), 'p')
      await expect(readPolicyFile(path, FILE)).rejects.toEqual(
        refusal('INVALID_ARGUMENT', { expected: 'a user id, such as 1000', found: JSON.stringify(owner) }),
      )
      expect(policyFileState(path)).toBeUndefined()
    },
  )
})

describe('the files that are read for a policy', () => {
  test('have digests of what was read, once for each content', async () => {
    const directory = privately({ a: 'one', b: 'two' })
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    const reading = new TrackedFiles(undefined)
    expect(reading.digests()).toBeUndefined()
    for (const path of [a, b, a]) await reading.file(path, FILE)
    const digest = (...contents: string[]) => sha256(contents.map((content) => `${sha256(content)}\n`).join(''))
    expect(reading.digests()).toEqual({ file: sha256('one'), files: digest('one', 'two') })
    writeFileSync(a, 'three')
    await reading.file(a, FILE)
    expect(reading.digests()).toEqual({ file: sha256('one'), files: digest('one', 'two', 'three') })
    // Two files with the same content are two.
    writeFileSync(b, 'one')
    await reading.file(b, FILE)
    expect(reading.digests()?.files).toBe(digest('one', 'two', 'three', 'one'))
  })

  test('have a state, unless it changed between two readings', async () => {
    const directory = privately({ a: 'one', b: 'two' })
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    for (const path of [a, b]) await settled(path)
    const reading = new TrackedFiles({ forOneLoad: true })
    for (const path of [a, b, b]) await reading.file(path, FILE)
    writeFileSync(a, 'three')
    await settled(a)
    await reading.file(a, FILE)
    expect(reading.read.get(a)).toEqual({ state: undefined, bytes: 5 })
    expect(reading.read.get(b)?.state).toBe(policyFileState(b))
    expect(reading.digests()).toBeUndefined()
  })

  test('are followed whether they can be read or not', async () => {
    const directory = privately({ a: 'one' })
    const reading = new TrackedFiles({})
    await reading.track(join(directory, 'a'))
    await reading.track(join(directory, 'gone'))
    expect([...reading.files]).toEqual([
      [join(directory, 'a'), await fileState(join(directory, 'a'))],
      [join(directory, 'gone'), 'absent'],
    ])
    expect(reading.isForOneLoad).toBe(false)
    expect(new TrackedFiles({ forOneLoad: 1 as never }).isForOneLoad).toBe(false)
  })
})

describe('a fault in a text', () => {
  const file: TextFile = { path: '/p.yaml', what: 'policy' }

  test.each<[TextFile['what'], string, string | undefined]>([
    ['policy', 'POLICY_INVALID', 'An invalid policy accepts nothing.'],
    ['file of expectations', 'POLICY_INVALID', undefined],
    ['source of the advisory feed', 'ADVISORY_INVALID', undefined],
  ])('of a %s has the code %s', (what, code, hint) => {
    const error = invalidPolicy({ path: '/p.yaml', what }, 'It is wrong.', { line: 2, column: 3 }, { found: 'x' })
    expect(error).toMatchObject({ code, file: '/p.yaml', line: 2, column: 3, found: 'x', hint })
    expect(error.message).toContain(`The ${what} "/p.yaml" is not valid, line 2, column 3: It is wrong.`)
    expect(invalidPolicy({ path: '/p.yaml', what }, 'It is wrong.', undefined, { hint: 'Mend it.' }).hint).toBe(
      'Mend it.',
    )
  })

  test('without a position begins with its file', () => {
    expect(invalidPolicy(file, 'It is wrong.').message).toContain('The policy "/p.yaml" is not valid: It is wrong.')
  })

  test('can be shown without its place and hint', () => {
    expect(withoutPlace(invalidPolicy(file, 'It is wrong.', { line: 2, column: 3 }))).toBe('It is wrong.')
    expect(withoutPlace(invalidPolicy(file, 'It is wrong.'))).toBe('It is wrong.')
    expect(withoutPlace(invalidPolicy(file, 'It is wrong.', undefined, { hint: 'Mend it.' }))).toBe(
      'It is wrong. Mend it.',
    )
    const other = new ModelSealError('FILE_NOT_FOUND', 'It is gone.', { file: '/p.yaml', line: 2, column: 3 })
    expect(withoutPlace(other)).toBe('It is gone.')
    expect(withoutPlace(new ModelSealError('FILE_NOT_FOUND', 'It is gone.', { file: '/p.yaml', line: 2 }))).toBe(
      'It is gone.',
    )
  })
})
