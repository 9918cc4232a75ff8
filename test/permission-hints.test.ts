import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeAll, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree } from './support/models.ts'

// Node.js with --permission: following the hint of each refusal leads to a successful load.

const ROOT = join(import.meta.dirname, '..')
const CORE = join(ROOT, 'packages/core/dist')

interface Outcome {
  done?: string
  code?: string
  hint?: string
}

let directory: string
let temporary: string
let program: string
let args: string[]
beforeAll(async () => {
  directory = scratchOfSuite()
  temporary = join(directory, 'temporary')
  mkdirSync(temporary, { mode: 0o700 })
  const { policy, privateKey } = publisherIn(directory)
  const model = join(directory, 'model')
  writeTree(model, { 'config.json': '{}' })
  chmodSync(join(model, 'config.json'), 0o644)
  await signModel(model, { signer: await keySigner({ privateKey }) })
  program = join(directory, 'program.mjs')
  writeFileSync(program, PROGRAM)
  args = [CORE, policy, model, privateKey]
})

const PROGRAM = `
const [core, policy, model, privateKey, what] = process.argv.slice(2)
const { openVerifiedModel } = await import(core + '/index.js')
const { keySigner, signModel } = await import(core + '/signing.js')
async function work() {
  if (what === 'sign') return (await signModel(model, { signer: await keySigner({ privateKey }), signature: model + '2.sig' })).signature
  if (what === 'blake3')
    return (await signModel(model, { signer: await keySigner({ privateKey }), signature: model + '3.sig', hashType: 'blake3' })).signature
  const opened = await openVerifiedModel(model, { policy, isolation: what })
  try {
    return (await opened.place(['config.json'])).isolation
  } finally {
    await opened.close()
  }
}
const outcome = await work().then((done) => ({ done }), ({ code, message, hint }) => ({ code, hint, message }))
console.log(JSON.stringify(outcome))
process.exit()
`

function run(what: string, options: readonly string[]): Outcome {
  const { stdout, stderr } = spawnSync(process.execPath, ['--permission', ...options, program, ...args, what], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: '', MODELSEAL_CACHE: join(directory, 'cache') },
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Outcome
}

/** The refusals in turn; after each, the options that its hint names are added. */
function followed(what: string, given: readonly string[]): Outcome[] {
  const options = [...given]
  const outcomes: Outcome[] = []
  for (;;) {
    const outcome = run(what, options)
    outcomes.push(outcome)
    const named = [...(outcome.hint ?? '').matchAll(/--allow-[a-z-]+(=("[^"]*"|\*))?/g)].map(([option]) =>
      option.replaceAll('"', ''),
    )
    if (outcomes.length > 6 || named.length === 0) return outcomes
    options.push(...named)
  }
}

test('a policy that may not be read', () => {
  const outcomes = followed('copy', [
    `--allow-fs-read=${ROOT}`,
    `--allow-fs-read=${program}`,
    `--allow-fs-write=${temporary}`,
  ])
  expect(outcomes[0]).toMatchObject({ code: 'FILE_UNREADABLE', hint: expect.stringContaining('--allow-fs-read=*') })
  expect(outcomes.at(-1)).toEqual({ done: 'copy' })
})

test('copies: the directory for temporary files', () => {
  const outcomes = followed('copy', ['--allow-fs-read=*'])
  expect(outcomes).toHaveLength(2)
  expect(outcomes[0]).toMatchObject({
    code: 'COPY_FAILED',
    hint: expect.stringContaining(`--allow-fs-write="${temporary}"`),
  })
  expect(outcomes[0]?.hint).toContain('"memory"')
  expect(outcomes[1]).toEqual({ done: 'copy' })
})

test('links, which Node.js allows only with all permissions', () => {
  const outcomes = followed('in-place', ['--allow-fs-read=*'])
  expect(outcomes.map(({ code, done }) => code ?? done)).toEqual(['COPY_FAILED', 'ISOLATION_REFUSED', 'in-place'])
})

test('an unwritable signature path is refused before the model is hashed', () => {
  const outcomes = followed('sign', ['--allow-fs-read=*'])
  expect(outcomes).toHaveLength(2)
  expect(outcomes[0]).toMatchObject({
    code: 'SIGNATURE_WRITE_FAILED',
    hint: expect.stringContaining(`--allow-fs-write="${directory}"`),
  })
  expect(outcomes[1]).toEqual({ done: join(directory, 'model2.sig') })
})

test('native addons', () => {
  const outcomes = followed('blake3', ['--allow-fs-read=*', `--allow-fs-write=${directory}`])
  expect(outcomes).toHaveLength(2)
  expect(outcomes[0]).toMatchObject({ code: 'HASH_UNAVAILABLE', hint: expect.stringContaining('--allow-addons') })
  expect(outcomes[1]).toEqual({ done: join(directory, 'model3.sig') })
})
