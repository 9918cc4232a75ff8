import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { identityToken } from '../../packages/core/src/testing/sigstore-server.ts'
import { expectToVerify, run } from '../support/bundled.ts'
import { scratchOfSuite } from '../support/models.ts'
import { signByMethods } from '../support/signed-by-methods.ts'
import { packAll } from '../../scripts/release/pack.mjs'
import { Installation } from './installation.ts'

// Checks what npm installs from the packed packages, and whether that is sufficient.

const ROOT = join(import.meta.dirname, '../..')
const CORE = ['@modelseal/core', '@napi-rs/blake-hash']
const ONNX = [...CORE, '@modelseal/onnxruntime']
const TFJS = [...CORE, '@modelseal/tfjs']

let directory: string
let byMethods: string
let service: Installation
let program: Installation
beforeAll(async () => {
  directory = scratchOfSuite()
  byMethods = join(directory, 'methods')
  await signByMethods(byMethods)
  await packAll(ROOT, join(directory, 'tarballs'))
  service = installed('service', ['@modelseal/core', '@modelseal/onnxruntime'])
  program = installed('program', ['modelseal'])
})

function installed(name: string, packages: readonly string[]): Installation {
  return new Installation(join(directory, name), join(directory, 'tarballs'), packages)
}

/** Without the native module of BLAKE3, whose name depends on the platform. */
function named(installation: Installation): string[] {
  return installation.packages().filter((name) => !name.startsWith('@napi-rs/blake-hash-'))
}

test('a service that loads ONNX models installs at most 25 packages and 16 MB', () => {
  expect(named(service)).toEqual(ONNX.toSorted())
  expect(service.packages().length).toBeLessThanOrEqual(25)
  expect(service.bytes()).toBeLessThanOrEqual(16e6)
})

test.each([
  { adapter: '@modelseal/tfjs', packages: TFJS },
  { adapter: '@modelseal/hub', packages: [...CORE, '@modelseal/hub'] },
  { adapter: '@modelseal/s3', packages: [...CORE, '@modelseal/s3'] },
  { adapter: '@modelseal/journal', packages: [...CORE, '@modelseal/journal'] },
  { adapter: '@modelseal/fleet', packages: [...CORE, '@modelseal/fleet'] },
  { adapter: '@modelseal/transformers', packages: [...ONNX, '@modelseal/transformers'] },
  { adapter: '@modelseal/register', packages: [...ONNX, '@modelseal/tfjs', '@modelseal/register'] },
])('$adapter installs as little', ({ adapter, packages }) => {
  const all = packages.filter((name) => name.startsWith('@modelseal/'))
  const installation = installed(adapter.replace('/', '-'), all)
  expect(named(installation)).toEqual(packages.toSorted())
  expect(installation.bytes()).toBeLessThanOrEqual(16e6)
})

test.each(['service.mjs', 'service.cjs'])('%s verifies keys, certificates and Sigstore with these packages', (name) => {
  cpSync(join(ROOT, 'test/bundlers', name), service.path(name))
  expectToVerify(service.path(name), { byMethods })
})

test('the adapter loads a model into the runtime of the service', () => {
  link(service, 'onnxruntime-node')
  const policy = join(byMethods, 'modelseal.policy.yaml')
  const code = `import { loadVerifiedModel } from '@modelseal/onnxruntime'
    const [policy, model] = process.argv.slice(2)
    const { session, verdict } = await loadVerifiedModel(model, { policy })
    console.log(JSON.stringify([verdict.decision, session.inputNames.length > 0]))
    process.exit()`
  const { outcomes } = runCode(service, 'adapter.mjs', code, policy, join(byMethods, 'by-sigstore/model.onnx'))
  expect(outcomes).toEqual([['accepted', true]])
})

test('signing with Sigstore says what to install, and works after that', () => {
  const code = `import { sigstoreSigner, signModel } from '@modelseal/core/signing'
    const [identityToken, model] = process.argv.slice(2)
    const sign = async () => signModel(model, { signer: await sigstoreSigner({ identityToken }) })
    sign().catch(({ code, hint }) => console.log(JSON.stringify({ code, hint })))`
  // The token is checked only if the package exists.
  const sign = () => runCode(service, 'sign.mjs', code, identityToken({ exp: 1 }), join(byMethods, 'by-key')).outcomes
  const [refusal] = sign() as { code: string; hint: string }[]
  expect(refusal?.code).toBe('SIGSTORE_UNAVAILABLE')
  const command = /"npm install (.*?)"/.exec(refusal!.hint)?.[1]
  service.install([command!])
  expect(sign()).toEqual([expect.objectContaining({ code: 'TOKEN_EXPIRED' })])
})

test('the types need no package other than the runtime', () => {
  link(service, '@types/node')
  link(service, 'onnxruntime-node')
  const code = `import { loadPolicy, openVerifiedModel } from '@modelseal/core'
    import type { Policy } from '@modelseal/core'
    import type { ExpectationResult, PolicyFile } from '@modelseal/core/policy'
    import { loadSigstoreTrust } from '@modelseal/core/verification'
    import { loadVerifiedModel } from '@modelseal/onnxruntime'
    const file: PolicyFile = { version: 1, rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'release' }] }] }
    // @ts-expect-error a key is named by its trust root
    const wrong: PolicyFile = { version: 1, rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 1 }] }] }
    // @ts-expect-error only loadPolicy() and watchPolicy() make policies
    const handmade: Policy = { path: 'modelseal.policy.yaml' }
    const policy: Policy = await loadPolicy('modelseal.policy.yaml')
    // @ts-expect-error none of the outcomes
    const outcome: ExpectationResult['expect'] = 'perhaps'
    await openVerifiedModel('models/vad', { policy })
    export { file, handmade, loadSigstoreTrust, loadVerifiedModel, outcome, wrong }`
  writeFileSync(service.path('types.mts'), code)
  writeFileSync(
    service.path('types.cts'),
    "import core = require('@modelseal/core')\nexport const { loadPolicy } = core",
  )
  expect(compiled(service)).toBe('')
})

describe('a fleet', () => {
  let fleet: Installation
  beforeAll(() => {
    fleet = installed('fleet', ['@modelseal/core', '@modelseal/fleet'])
  })

  test.each([
    ['fleet.mjs', (name: string) => `import * as ${name.replace(/.*\//, '')} from '${name}'`],
    ['fleet.cjs', (name: string) => `const ${name.replace(/.*\//, '')} = require('${name}')`],
  ])('signs a catalogue, and says what a queue needs: %s', (name, loaded) => {
    const catalogue = join(directory, `catalogue of ${name}`)
    mkdirSync(join(catalogue, 'vad'), { recursive: true })
    writeFileSync(join(catalogue, 'vad/weights.bin'), 'weights')
    const code = `${loaded('@modelseal/core/signing')}
      ${loaded('@modelseal/fleet')}
      const [privateKey, catalogue] = process.argv.slice(2)
      ;(async () => {
        const signer = await signing.keySigner({ privateKey })
        for await (const { signed } of await fleet.signCatalogue(catalogue, { signer })) console.log(JSON.stringify(signed.files))
        await fleet.fleetStatus('redis://127.0.0.1:1').catch(({ code }) => console.log(JSON.stringify(code)))
      })()`
    const { outcomes } = runCode(fleet, name, code, join(byMethods, 'release.key'), catalogue)
    expect(outcomes).toEqual([1, 'FLEET_PACKAGES'])
  })

  test('has types that need no queue', () => {
    link(fleet, '@types/node')
    const code = `import { verifyCatalogue, type CatalogueVerdict, type FleetRun } from '@modelseal/fleet'
      const run: FleetRun<CatalogueVerdict> = await verifyCatalogue('models', { policy: 'modelseal.policy.yaml' })
      // @ts-expect-error the share is a number
      await verifyCatalogue('models', { audit: 'all' })
      for await (const outcome of run) if ('verdict' in outcome) console.log(outcome.verdict.decision)`
    writeFileSync(fleet.path('types.mts'), code)
    writeFileSync(
      fleet.path('types.cts'),
      "import fleet = require('@modelseal/fleet')\nexport const { signCatalogue } = fleet",
    )
    expect(compiled(fleet)).toBe('')
  })
})

test('the command line signs, verifies, and has what keyless signing and trusted roots need', () => {
  const version = (JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')) as { version: string })
    .version
  expect(modelseal('--version').stdout).toContain(version)
  const model = join(byMethods, 'by-key')
  const signature = join(directory, 'signed-again.sig')
  const key = (name: string) => join(byMethods, name)
  const bundle = ['--signature', signature]
  expect(modelseal('sign', 'key', model, '--private-key', key('release.key'), ...bundle)).toMatchObject({ status: 0 })
  expect(modelseal('verify', 'key', model, '--public-key', key('release.pub'), ...bundle)).toMatchObject({ status: 0 })
  const token = identityToken({ exp: 1 })
  const keyless = modelseal('sign', 'sigstore', model, '--identity-token', token, ...bundle, '--json')
  expect(keyless.stdout + keyless.stderr).toContain('TOKEN_EXPIRED')
  expect(modelseal('trust-root', 'show')).toMatchObject({ status: 0 })
  const policy = ['verify', join(byMethods, 'by-sigstore'), '--policy', key('modelseal.policy.yaml')]
  expect(modelseal(...policy)).toMatchObject({ status: 0 })
})

/** What the compiler says about `types.mts` and `types.cts`. */
function compiled({ directory: cwd }: Installation): string {
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024']
  const args = [...options, '--lib', 'es2024,esnext.disposable,dom', '--types', 'node', 'types.mts', 'types.cts']
  return spawnSync(join(ROOT, 'node_modules/.bin/tsc'), args, { cwd, encoding: 'utf8' }).stdout
}

function modelseal(...args: string[]) {
  const file = program.path('node_modules/modelseal/bin/modelseal.cjs')
  return spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env: { ...process.env, NODE_PATH: '' } })
}

function runCode(installation: Installation, name: string, code: string, ...args: [string, string]) {
  writeFileSync(installation.path(name), code)
  return run(installation.path(name), ...args)
}

/** Another dependency of the service: a package of the workspace, as if it were installed. */
function link(installation: Installation, name: string): void {
  const place = installation.path(`node_modules/${name}`)
  mkdirSync(dirname(place), { recursive: true })
  const from = name.startsWith('@types/') ? ROOT : join(ROOT, 'test')
  rmSync(place, { recursive: true, force: true })
  symlinkSync(realpathSync(join(from, 'node_modules', name)), place)
}
