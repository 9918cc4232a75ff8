import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

// What `.ci/run` says at its end about the runs of Vitest.

const ROOT = join(import.meta.dirname, '..')
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')

let project: string
beforeAll(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-')))
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'), 'junction')
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

/** Runs a file of tests as `.ci/run` does; gives what is counted. */
function counted(name: string, text: string, args: readonly string[] = []): string {
  const directory = join(project, name)
  mkdirSync(directory)
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'), 'junction')
  writeFileSync(join(directory, 'x.test.ts'), `import { beforeAll, describe, expect, test } from 'vitest'\n${text}`)
  const reporters = [`--reporter=${join(ROOT, 'scripts/reporter.mjs')}`, '--reporter=default']
  const options = { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH }, timeout: 100_000 } as const
  const vitest = [VITEST, 'run', ...reporters, '--outputFile=.cache/reports/run.json', ...args]
  const { status } = spawnSync(process.execPath, vitest, options)
  const count = spawnSync(process.execPath, [join(ROOT, 'scripts/count.mjs')], options)
  expect(count.status === 0).toBe(status === 0)
  return count.stdout
}

test('counts tests', () => {
  expect(counted('passing', `test('a', () => {})\ntest('b', () => {})\ntest.skip('c', () => {})`)).toBe(
    '(1 skipped)\n2 passed, 0 failed\n',
  )
})

test('says what a test expected', () => {
  expect(counted('failing', `describe('a', () => test('b', () => expect(1).toBe(2)))`)).toMatch(
    /^FAILED x\.test\.ts: a > b\n {2}AssertionError: expected 1 to be 2 .*\n.*x\.test\.ts:2:\d+\)?\n0 passed, 1 failed\n$/,
  )
})

test('says why the hook of a suite failed', () => {
  const hook = `beforeAll(() => { throw new Error('no registry', { cause: new Error('refused') }) })`
  expect(counted('hook', `describe('a', () => {\n${hook}\ntest('b', () => {})\n})`)).toMatch(
    /^FAILED x\.test\.ts\n {2}a: Error: no registry\n[\s\S]*Caused by Error: refused\n[\s\S]*\n\(1 skipped\)\n0 passed, 1 failed\n$/,
  )
})

test('says why a hook failed, also beside a test that failed', () => {
  const hook = `describe('a', () => {\nbeforeAll(() => { throw new Error('no registry') })\ntest('b', () => {})\n})`
  expect(counted('both', `${hook}\ntest('c', () => expect(1).toBe(2))`)).toMatch(
    /^FAILED x\.test\.ts: c\n[\s\S]*FAILED x\.test\.ts: outside of its tests\n {2}a: Error: no registry\n[\s\S]*\n0 passed, 2 failed\n$/,
  )
})

test('says why a file could not be loaded', () => {
  expect(counted('missing', `import './missing.ts'`)).toMatch(
    /^FAILED x\.test\.ts\n {2}Error: Cannot find module '.\/missing.ts'[\s\S]*\n0 passed, 1 failed\n$/,
  )
})

test('counts an error that no test waited for', () => {
  expect(counted('unhandled', `test('a', () => { void Promise.reject(new Error('nobody waits')) })`)).toMatch(
    /^FAILED run\n {2}Error: nobody waits\n[\s\S]*\n1 passed, 1 failed\n$/,
  )
})

test('says by what the process of a file was ended', () => {
  expect(counted('killed', `test('a', () => { process.kill(process.pid, 'SIGKILL') })`)).toMatch(
    /^FAILED x\.test\.ts\n {2}Its process ended before its tests did\.\n[\s\S]*Worker exited unexpectedly with signal SIGKILL/,
  )
})

test('says that the process of a file had no memory left', () => {
  const text = `test('a', () => { const all = []; for (;;) all.push(new Array(10_000).fill({})) })`
  expect(counted('memory', text, ['--execArgv=--max-old-space-size=60'])).toMatch(
    /^FAILED x\.test\.ts\n {2}Its process ended before its tests did\.\n[\s\S]*FATAL ERROR: Reached heap limit/,
  )
})

test('counts a run that was ended itself', () => {
  const text = `test('a', () => { process.kill(process.ppid, 'SIGKILL') })`
  expect(counted('ended', text)).toBe('FAILED run\n  The run did not end.\n0 passed, 1 failed\n')
})
