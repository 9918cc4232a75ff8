import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyOf, flipBit, sileroVad, Workspace } from '../signed-models.ts'

// A tampered model, and an attacker's policy that skips every check. Whatever a program does to the environment of its
// threads and child processes, or to its working directory, that policy must never be used.

const PROGRAMS = join(import.meta.dirname, '../register')
const SKIP = `version: 1
rules: [{ name: anything, match: { path: "../models/**" }, mode: skip, reason: planted }]
`

let workspace: Workspace
let good: string
let tampered: string
/** A working directory with the attacker's policy in it. */
let planted: string
let loose: string

beforeAll(async () => {
  workspace = new Workspace()
  const signed = await workspace.sign('vad', sileroVad())
  const copy = copyOf(signed, 'tampered')
  flipBit(join(copy, 'silero_vad.onnx'))
  good = join(signed, 'silero_vad.onnx')
  tampered = join(copy, 'silero_vad.onnx')
  planted = join(workspace.path, 'planted')
  mkdirSync(planted)
  loose = join(planted, 'modelseal.policy.yaml')
  writeFileSync(loose, SKIP)
})
afterAll(() => workspace[Symbol.dispose]())

function run(program: string, args: string[], env: Record<string, string>, cwd = planted) {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  delete inherited['MODELSEAL_POLICY']
  const register = import.meta.resolve('@modelseal/register')
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', register, join(PROGRAMS, program), ...args], {
    encoding: 'utf8',
    cwd,
    // A child process that hangs fails only its own test.
    timeout: 60_000,
    env: { ...inherited, ...env },
  })
  return { lines: stdout.split('\n').slice(0, -1), stderr }
}

const WAYS = [
  'fork',
  'fork-bare',
  'fork-elsewhere',
  'cluster',
  'spawn',
  'spawn-name',
  'execFile',
  'spawnSync',
  'execFileSync',
  'twice',
  ...('execve' in process ? ['execve'] : []),
]

const NAMES = ['spawn-relative', 'spawn-relative-path', 'spawn-alias', 'spawnSync-alias']

describe('under register, the policy and the mode of the process decide', () => {
  const looser = () => JSON.stringify({ MODELSEAL_POLICY: loose, MODELSEAL_MODE: 'audit' })

  test('in threads with contradicting variables', () => {
    const env = { MODELSEAL_POLICY: workspace.policy, MODELSEAL_TEST_ENV: looser() }
    expect(run('threads.mjs', [tampered], env).lines).toEqual(Array(12).fill('FILE_MISMATCH'))
  })

  test('in threads of a process with options that no thread can have', () => {
    // Threads can inherit these options, but Node.js refuses to set them for a thread.
    const env = { MODELSEAL_POLICY: workspace.policy, NODE_OPTIONS: '--use-openssl-ca --title=service' }
    expect(run('threads.mjs', [tampered], { ...env, MODELSEAL_TEST_THREADS: '3' })).toEqual({
      lines: Array(3).fill('FILE_MISMATCH'),
      stderr: '',
    })
  })

  test.each(['no variables', 'contradicting variables'])('in child processes that have %s', (own) => {
    const variables = own === 'no variables' ? '{}' : looser()
    const env = { MODELSEAL_POLICY: workspace.policy, MODELSEAL_TEST_ENV: variables }
    expect(run('children.mjs', [WAYS.join(), tampered], env).lines).toEqual(
      WAYS.flatMap((how) => (how === 'twice' ? [how, 'fork-bare', 'FILE_MISMATCH'] : [how, 'FILE_MISMATCH'])),
    )
  })

  test('in child processes that start this Node.js by another name or a relative path', () => {
    const env = { MODELSEAL_POLICY: workspace.policy }
    expect(run('children.mjs', [NAMES.join(), tampered], env).lines).toEqual(
      NAMES.flatMap((how) => [how, 'FILE_MISMATCH']),
    )
  })

  test('in a child process that loads an unchanged model', () => {
    const env = { MODELSEAL_POLICY: workspace.policy }
    expect(run('children.mjs', ['fork-bare', good], env).lines).toEqual(['fork-bare', 'loaded input,state,sr'])
  })

  test('when the program changes its own variables', () => {
    const env = { MODELSEAL_POLICY: workspace.policy }
    expect(run('moving.mjs', ['variables', loose, tampered], env).lines).toEqual(['FILE_MISMATCH'])
  })

  test('when the program changes its working directory before the first load', () => {
    const strict = { MODELSEAL_POLICY: 'trust-policy.yaml' }
    expect(run('moving.mjs', ['before', planted, good, tampered], strict, workspace.path).lines).toEqual([
      'loaded input,state,sr',
      'FILE_MISMATCH',
    ])
    const below = join(workspace.path, 'models')
    expect(run('moving.mjs', ['before', planted, tampered], {}, below).lines).toEqual(['POLICY_NOT_FOUND'])
  })

  describe('when the program writes a policy into its working directory before the first load:', () => {
    const strict = () =>
      readFileSync(workspace.policy, 'utf8').replaceAll('./release', '../release').replaceAll('models/', '../models/')
    const SKIP_ABOVE = SKIP.replace('../', '../../')
    const directory = (name: string, policies: Record<string, string> = {}) => {
      const path = join(workspace.path, 'started', name)
      mkdirSync(path, { recursive: true })
      for (const [file, text] of Object.entries(policies)) writeFileSync(join(path, file), text)
      return path
    }

    test('if there was none before, in the process, its threads and its child processes', () => {
      const empty = directory('empty')
      const refused = run('moving.mjs', ['planted', SKIP_ABOVE, tampered], {}, empty)
      expect(refused.lines).toEqual(['POLICY_NOT_FOUND'])
      // A process that starts later uses this policy.
      expect(run('moving.mjs', ['none', '', tampered], {}, empty).lines).toEqual(['loaded input,state,sr'])
      expect(run('moving.mjs', ['planted-thread', SKIP_ABOVE, tampered], {}, directory('thread')).lines).toEqual([
        'POLICY_NOT_FOUND',
      ])
      expect(run('moving.mjs', ['planted-child', SKIP_ABOVE, tampered], {}, directory('child')).lines).toEqual([
        'POLICY_NOT_FOUND',
      ])
    })

    test('nearer than the one that is in use', () => {
      directory('.', { 'modelseal.policy.yaml': strict() })
      const nearer = run('moving.mjs', ['planted', SKIP_ABOVE, good, tampered], {}, directory('nearer'))
      rmSync(join(workspace.path, 'started/modelseal.policy.yaml'))
      expect(nearer.lines).toEqual(['loaded input,state,sr', 'FILE_MISMATCH'])
    })

    test('instead of two policies, one of which is removed', () => {
      const two = directory('two', { 'modelseal.policy.yml': SKIP_ABOVE, 'modelseal.policy.json': '{}' })
      expect(run('moving.mjs', ['none', '', tampered], {}, two).lines).toEqual(['POLICY_INVALID'])
      expect(run('moving.mjs', ['remove', 'modelseal.policy.json', tampered], {}, two).lines).toEqual([
        'POLICY_NOT_FOUND',
      ])
    })
  })
})

test('a relative path is resolved when the load is requested', () => {
  const policy = join(workspace.path, 'half.yaml')
  writeFileSync(
    policy,
    `version: 1
trustRoots: { release: { publicKey: release.pub } }
rules:
  - { name: mine, match: { path: planted/** }, mode: skip, reason: my own }
  - { name: all, match: { path: "**" }, signers: [{ key: release }] }
`,
  )
  const env = { MODELSEAL_POLICY: policy }
  const elsewhere = join(workspace.path, 'models/tampered')
  // The working directory contains no such name, which the rule "mine" would match.
  expect(run('moving.mjs', ['during', elsewhere, 'silero_vad.onnx'], env).lines).toEqual(['MODEL_NOT_FOUND'])
  expect(run('moving.mjs', ['during', planted, 'silero_vad.onnx'], env, elsewhere).lines).toEqual(['FILE_MISMATCH'])
})

describe('without register, the policy of a thread with its own variables', () => {
  const LOG = JSON.stringify({ env: { LOG: '1' } })
  const outcome = (options: string, env: Record<string, string>, more: string[] = [], cwd = planted) => {
    const inherited = { ...process.env, ...env }
    if (!('MODELSEAL_POLICY' in env)) delete inherited['MODELSEAL_POLICY']
    const args = [
      join(import.meta.dirname, 'bare-thread.mjs'),
      join(workspace.path, 'models/tampered'),
      options,
      ...more,
    ]
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      cwd,
      timeout: 60_000,
      env: inherited,
    })
    expect(stderr).toBe('')
    return stdout.split(' ')[0]?.trim()
  }

  test.each([
    ['nothing', ''],
    ['the errors of the core', '@modelseal/core/errors'],
    ['the core', '@modelseal/core'],
  ])('is that of the process if its main thread imports %s', (_, imported) => {
    const env = { MODELSEAL_POLICY: workspace.policy }
    expect(outcome(LOG, env, [imported])).toBe('FILE_MISMATCH')
  })

  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'may not belong to a user whom the program no longer names',
    () => {
      const policy = join(workspace.path, 'of-another.yaml')
      writeFileSync(policy, SKIP.replace('../models', 'models'))
      chownSync(policy, 65534, 65534)
      const env = { MODELSEAL_POLICY: policy, MODELSEAL_POLICY_OWNER: '65534' }
      expect(outcome('{}', env)).toBe('skipped')
      expect(outcome('{}', env, ['', '', 'MODELSEAL_POLICY_OWNER'])).toBe('POLICY_UNTRUSTED')
    },
  )

  test('is searched for if the process was started without MODELSEAL_POLICY', () => {
    expect(outcome(LOG, {})).toBe('skipped')
  })

  // After setuid(2), a process cannot read the variables with which it was started. Systems other than Linux never allow it.
  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'is not searched for if the variables of the process cannot be determined',
    () => {
      const env = { MODELSEAL_POLICY: workspace.policy }
      const user = ['', '65534']
      expect(outcome(LOG, env, user, '/')).toBe('POLICY_NOT_FOUND')
      expect(outcome('{}', env, user, '/')).not.toBe('POLICY_NOT_FOUND')
    },
  )
})
