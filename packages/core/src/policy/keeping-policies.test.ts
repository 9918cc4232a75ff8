import { join } from 'node:path'
import { utimesSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { foreignFileSystem } from '../source/local/file-system.ts'
import { policyOf } from '../testing/rules.ts'
import { scratch } from '../testing/scratch.ts'
import type { PolicyReading } from './compile-policy.ts'
import { keepPolicy, keptPolicy } from './kept-policies.ts'
import type { CompiledPolicy } from './policy.ts'
import { policyFileState } from './reading/policy-file.ts'

const KEEPS = process.platform === 'linux' && foreignFileSystem(process.env.TMPDIR ?? '/tmp') === undefined
const MIB = 1024 * 1024

/** A policy that was read from one file. */
function reading({ bytes = 1, ...more }: Partial<CompiledPolicy> & { bytes?: number } = {}): PolicyReading {
  const path = join(scratch({ 'p.yaml': 'version: 1' }), 'p.yaml')
  const policy = policyOf([], { path, files: new Map([[path, 'state']]), ...more })
  return { policy, sources: [], problems: [], read: new Map([[path, { state: policyFileState(path), bytes }]]) }
}

/** Whether a policy is kept after it was read. */
function isKept(read: PolicyReading): boolean {
  keepPolicy(read)
  return keptPolicy(read.policy.path) === read.policy
}

const rootOf = (isFile: boolean) => new Map([['s', { kind: 'sigstore', name: 's', isFile }]]) as never

describe.runIf(KEEPS)('a policy is kept', () => {
  test('if all its files are known', () => {
    expect(isKept(reading())).toBe(true)
    expect(isKept(reading({ roots: rootOf(true) }))).toBe(true)
  })

  test.each<[string, () => PolicyReading]>([
    ['it has a problem', () => ({ ...reading(), problems: [new ModelSealError('POLICY_INVALID', 'No.')] })],
    [
      'the state of a file is not known',
      () => {
        const read = reading()
        return { ...read, read: new Map([...read.read, ['/other', { state: undefined, bytes: 1 }]]) }
      },
    ],
    ['it depends on a file that was not read', () => reading({ files: new Map([['/other', 'absent']]) })],
    ['it uses a trusted root in a cache', () => reading({ roots: rootOf(false) })],
    ['it is too large', () => reading({ bytes: 4 * MIB + 1 })],
  ])('unless %s', (_, read) => expect(isKept(read())).toBe(false))

  test('until one of its files changes, and is then forgotten', () => {
    const read = reading()
    const { path } = read.policy
    expect(isKept(read)).toBe(true)
    utimesSync(path, 1, 1)
    expect(keptPolicy(path)).toBeUndefined()
    const changed = { ...read, read: new Map([[path, { state: policyFileState(path), bytes: 1 }]]) }
    expect(keptPolicy(path)).toBeUndefined()
    expect(isKept(changed)).toBe(true)
  })

  test('in place of the one before it', () => {
    const read = reading()
    const newer = { ...read, policy: policyOf([], { ...read.policy }) }
    keepPolicy(read)
    keepPolicy(newer)
    expect(keptPolicy(read.policy.path)).toBe(newer.policy)
    expect(newer.policy).not.toBe(read.policy)
  })

  test('if it is as large as all together may be, and then alone', () => {
    const [small, large] = [reading(), reading({ bytes: 4 * MIB })]
    expect(isKept(small)).toBe(true)
    expect(isKept(large)).toBe(true)
    expect(keptPolicy(small.policy.path)).toBeUndefined()
  })

  test('as long as there is room for it and those that were used later', () => {
    const [one, two, three] = [reading({ bytes: 2 * MIB }), reading({ bytes: 2 * MIB }), reading({ bytes: MIB })]
    expect([one, two].map(isKept)).toEqual([true, true])
    expect(keptPolicy(one.policy.path)).toBe(one.policy)
    expect(isKept(three)).toBe(true)
    expect([one, two].map(({ policy }) => keptPolicy(policy.path))).toEqual([one.policy, undefined])
  })

  test('as one of sixteen', () => {
    const all = Array.from({ length: 17 }, () => reading())
    for (const read of all.slice(0, 16)) keepPolicy(read)
    expect(all.slice(0, 16).every(({ policy }) => keptPolicy(policy.path) === policy)).toBe(true)
    keepPolicy(all[16] as PolicyReading)
    expect(all.map(({ policy }) => keptPolicy(policy.path) === policy)).toEqual([
      false,
      ...Array<boolean>(16).fill(true),
    ])
  })

  test('under its own path only', () => {
    expect(keptPolicy('/nothing')).toBeUndefined()
  })
})
