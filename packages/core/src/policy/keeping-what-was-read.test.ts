import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { policyOf } from '../testing/rules.ts'
import { scratch } from '../testing/scratch.ts'
import { keepPolicy, keptPolicy } from './kept-policies.ts'
import { policyFileState } from './reading/policy-file.ts'

test.each([
  ['is kept if all files that it depends on were read', ['p.json'], true],
  ['is not kept if one of them was not', ['p.json', 'gone.pub'], false],
])('a policy %s', (_, names, isKept) => {
  const directory = scratch({ 'p.json': '{}' })
  const path = join(directory, 'p.json')
  chmodSync(path, 0o600)
  const files = new Map(names.map((name) => [join(directory, name), 'state']))
  const policy = policyOf([], { path, files })
  const read = new Map([[path, { state: policyFileState(path), bytes: 2 }]])
  keepPolicy({ policy, sources: [], problems: [], read })
  expect(keptPolicy(path)).toBe(isKept ? policy : undefined)
})
