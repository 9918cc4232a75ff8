import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { linesOf } from './changed.ts'
import { optionsOf } from './options.ts'
import { foldersOf, SCOPES, sourcesOf, testFolders } from './scopes.ts'
import { isSampled, sampleOf } from './sample.mjs'
import { isSentence } from './sentence.mjs'
import type { Mutant, Results } from './stryker.ts'
import { acceptedSurvivors, compare, listOf, namedMutants, type NamedMutant, type Survivor } from './survivors.ts'

describe('changed lines', () => {
  test('are those that the new file has', () => {
    const diff = [
      'diff --git a/a.ts b/a.ts',
      '--- a/a.ts',
      '+++ b/a.ts',
      '@@ -1 +1 @@ import',
      '+x',
      '@@ -5,2 +7,3 @@',
      '+y',
      '@@ -20,4 +24,0 @@ only removed',
      '--- a/gone.ts',
      '+++ /dev/null',
      '@@ -1,3 +0,0 @@',
      '--- /dev/null',
      '+++ b/new.ts',
      '@@ -0,0 +1,9 @@',
    ].join('\n')
    expect([...linesOf(diff)]).toEqual([
      ['a.ts', [{ from: 1, to: 1 }, { from: 7, to: 9 }]], // prettier-ignore
      ['new.ts', [{ from: 1, to: 9 }]],
    ])
  })
})

describe('survivors', () => {
  const source = 'const a = 1\n  if (b > 1 &&\n    c) go()\n'
  const mutant = (status: Mutant['status'], from: [number, number], to: [number, number]): Mutant => ({
    mutatorName: 'ConditionalExpression',
    replacement: 'true',
    status,
    location: { start: { line: from[0], column: from[1] }, end: { line: to[0], column: to[1] } },
  })
  const results = (status: Mutant['status']): Results => ({
    'f.ts': { source, mutants: [mutant(status, [2, 7], [3, 6])] },
  })
  const entry: Survivor = {
    file: 'f.ts',
    line: 'if (b > 1 &&',
    original: 'b > 1 && c',
    mutator: 'ConditionalExpression',
    replacement: 'true',
    reason: 'c is never false here',
  }
  const files = new Set(['f.ts'])

  test('are accepted if they are listed, wherever the line is now', () => {
    const found = compare(namedMutants(results('Survived')), [entry], files)
    expect(found).toMatchObject({ unlisted: [], stale: [], killed: [] })
    expect(found.accepted).toHaveLength(1)
  })

  test('are not accepted if the code, the mutation or the line is another', () => {
    for (const other of [{ original: 'b > 1' }, { replacement: 'false' }, { line: 'if (b > 2 &&' }, { file: 'g.ts' }])
      expect(compare(namedMutants(results('Survived')), [{ ...entry, ...other }], files).unlisted).toHaveLength(1)
  })

  test('count without coverage, too, but not if they are killed, time out or are not counted', () => {
    const unlisted = (status: Mutant['status']) => compare(namedMutants(results(status)), [], files).unlisted.length
    expect(unlisted('NoCoverage')).toBe(1)
    for (const status of ['Killed', 'Timeout', 'Ignored', 'RuntimeError'] as const) expect(unlisted(status)).toBe(0)
  })

  test('make an entry stale that matches no mutant of its file, unless the file was not mutated', () => {
    const changed = { ...entry, original: 'gone' }
    expect(compare(namedMutants(results('Survived')), [changed], files).stale).toEqual([changed])
    expect(compare(namedMutants(results('Survived')), [changed], new Set()).stale).toEqual([])
  })

  describe('of code that occurs twice in its line', () => {
    const twice = (first: Mutant['status'], second: Mutant['status']): NamedMutant[] => {
      const mutants = [mutant(first, [1, 5], [1, 9]), mutant(second, [1, 16], [1, 20])]
      return namedMutants({ 'f.ts': { source: '  f(true, { a: true })', mutants } })
    }
    const all: Survivor = { ...entry, line: 'f(true, { a: true })', original: 'true' }
    const [first, second, third] = [1, 2, 3].map((nth) => ({ ...all, nth }))
    const nths = (mutants: readonly NamedMutant[]) => mutants.map(({ nth }) => nth)

    test('are told apart by an entry that says which it is', () => {
      const both = twice('Survived', 'Survived')
      expect(nths(both)).toEqual([1, 2])
      expect(nths(compare(both, [], files).unlisted)).toEqual([1, 2])
      expect(nths(compare(both, [first!], files).unlisted)).toEqual([2])
      expect(nths(compare(both, [second!], files).unlisted)).toEqual([1])
      expect(compare(both, [first!, second!], files)).toMatchObject({ unlisted: [], stale: [], killed: [] })
    })

    test('are not accepted by an entry that does not', () => {
      const without = compare(twice('Survived', 'Survived'), [all], files)
      expect(nths(without.unlisted)).toEqual([1, 2])
      expect(without).toMatchObject({ accepted: [], stale: [all] })
    })

    test('make stale or needless only the entry that says so', () => {
      const one = compare(twice('Killed', 'Survived'), [first!, second!, third!], files)
      expect(one).toMatchObject({ unlisted: [], stale: [third], killed: [first] })
    })

    test('do not count if it occurs once', () => {
      expect(namedMutants(results('Survived'))[0]).not.toHaveProperty('nth')
      expect(compare(namedMutants(results('Survived')), [{ ...entry, nth: 1 }], files).stale).toHaveLength(1)
    })
  })

  test('make an entry needless once the mutant is killed', () => {
    expect(compare(namedMutants(results('Killed')), [entry], files)).toMatchObject({ stale: [], killed: [entry] })
  })
})

test('every list of survivors belongs to a folder, names its files, and has reasons', () => {
  const files = new Set(SCOPES.flatMap(sourcesOf))
  const folders = SCOPES.flatMap(foldersOf)
  const lists = readdirSync('test/mutation/survivors', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => `test/mutation/survivors/${name.replaceAll('\\', '/')}`)
  expect(lists.filter((list) => !folders.some((folder) => listOf(folder) === list))).toEqual([])
  for (const folder of folders)
    expect(acceptedSurvivors(folder).filter(({ file }) => !files.has(file) || posix.dirname(file) !== folder)).toEqual(
      [],
    )
})

test('each entry of the lists names a line of its file, and an occurrence in it', () => {
  const entries = SCOPES.flatMap(foldersOf).flatMap(acceptedSurvivors)
  const gone = entries.filter(({ file, line, original, nth = 1 }) => {
    const isThere = readFileSync(file, 'utf8')
      .split('\n')
      .some((own) => own.trim() === line)
    return !isThere || (nth > 1 && line.split(original).length <= nth)
  })
  expect(gone).toEqual([])
})

test('everything that is to be mutated exists', () => {
  expect(SCOPES.flatMap(sourcesOf).filter((file) => !existsSync(file))).toEqual([])
})

test('the tests beside a file are in its folder and in those above, up to the floor', () => {
  const policy = SCOPES.find(({ name }) => name === 'core-policy')!
  expect(testFolders('packages/core/src/policy/advisories/following', policy)).toEqual([
    'packages/core/src/policy/advisories/following',
    'packages/core/src/policy/advisories',
    'packages/core/src/policy',
  ])
})

test('only sentences are not mutated', () => {
  for (const text of ['Cannot load it.', 'X is revoked by X.', 'Is the registry reachable?', 'Two\nlines of it.'])
    expect(isSentence(text)).toBe(true)
  for (const text of ['two issuers', 'CERTIFICATE_INVALID', '1.3.6.1.5.', 'SHA-256', 'X.8', 'Time.', '', 'of X, X.'])
    expect(isSentence(text)).toBe(false)
})

describe('the options', () => {
  test('are those of the usage', () => {
    const given = ['a', '--minutes', '0.5', '--concurrency', '2', '--sample', '6:1', '--force', 'b']
    expect(optionsOf(given)).toEqual({
      changed: false,
      scores: false,
      force: true,
      concurrency: 2,
      minutes: 0.5,
      sample: '6:1',
      positionals: ['a', 'b'],
    })
    expect(optionsOf(['--changed', '--scores'])).toMatchObject({ changed: true, scores: true, minutes: undefined })
    expect(optionsOf(['--sample', '100']).sample).toBe('100')
  })

  test.each([
    ['--sample', 'x', '--sample must be'],
    ['--sample', '0:1', '--sample must be'],
    ['--sample', '101:1', '--sample must be'],
    ['--sample', '6:', '--sample must be'],
    ['--minutes', 'x', '--minutes must be'],
    ['--minutes=-1', '', '--minutes must be'],
    ['--minutes', '-1', 'ambiguous'],
    ['--concurrency', '0', '--concurrency must be'],
    ['--concurrency', '1.5', '--concurrency must be'],
    ['--nope', '', 'Unknown option'],
  ])('may not be %s %s, which would try nothing', (option, value, why) => {
    const given = [option, value].filter(Boolean)
    expect(() => optionsOf(given)).toThrow(why)
    expect(() => optionsOf(given)).toThrow('Usage: npm run mutation')
  })

  test('name one commit to compare with, which the clone must have', () => {
    expect(optionsOf(['--changed', 'HEAD~3']).positionals).toEqual(['HEAD~3'])
    expect(() => optionsOf(['--changed', 'HEAD~3', 'HEAD'])).toThrow('--changed takes one commit.')
    const args = ['--no-warnings', `${import.meta.dirname}/run.ts`, '--changed', 'no-such-commit']
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'Cannot compare with "no-such-commit": this clone has no such commit.\n',
    })
  })
})

describe('a sample', () => {
  const all = Array.from({ length: 10_000 }, (_, index) => ({
    fileName: 'packages/core/src/a.ts',
    mutatorName: 'StringLiteral',
    replacement: '""',
    line: index + 1,
    column: 1,
  }))
  const chosen = (text: string) => all.filter((mutant) => isSampled(mutant, sampleOf(text)!)).map(({ line }) => line)

  test('has the part that it says, and always the same mutants', () => {
    expect(chosen('6:1').length).toBeGreaterThan(500)
    expect(chosen('6:1').length).toBeLessThan(700)
    expect(chosen('6:1')).toEqual(chosen('6'))
    expect(chosen('6:2')).not.toEqual(chosen('6:1'))
    expect(chosen('100:1')).toHaveLength(10_000)
  })

  test('is only taken if it is asked for', () => {
    expect(sampleOf(undefined)).toBeUndefined()
    expect(sampleOf('')).toBeUndefined()
  })
})
