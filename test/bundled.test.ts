import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { build } from 'esbuild'
import { identityToken } from '../packages/core/src/testing/sigstore-server.ts'
import { bundleByEsbuild, expectToLoad, expectToVerify, modelsIn, run, type BundlerModels } from './support/bundled.ts'
import { scratchOfSuite, writeTree } from './support/models.ts'

// A program that esbuild has bundled; npm run test:bundlers has the other bundlers.

const BANNER = "import { createRequire } from 'module'; const require = createRequire(import.meta.url);"

let directory: string
let models: BundlerModels
let modules: string
beforeAll(async () => {
  directory = scratchOfSuite()
  models = await modelsIn(directory)
  modules = await bundleByEsbuild(join(directory, 'modules/service.mjs'), { format: 'esm' })
})

test('ES modules load large models in threads', () => expectToLoad(modules, models))

test('ES modules with the usual banner load large models in threads', async () => {
  const outfile = join(directory, 'banner/service.mjs')
  expectToLoad(await bundleByEsbuild(outfile, { format: 'esm', banner: { js: BANNER } }), models)
})

test('CommonJS loads large models in threads', async () => {
  expectToLoad(await bundleByEsbuild(join(directory, 'commonjs/service.cjs'), { format: 'cjs' }), models)
})

test('minified chunks load large models in threads', async () => {
  const options = { format: 'esm', minify: true, splitting: true } as const
  expectToLoad(await bundleByEsbuild(join(directory, 'minified/service.mjs'), options), models)
})

test('a file named worker.js next to it is not used as a thread', async () => {
  const evil = "require('node:fs').writeFileSync(__dirname + '/ran', ''); throw new Error('ran')"
  const place = join(directory, 'beside')
  writeTree(
    place,
    Object.fromEntries(['worker.js', 'worker.cjs', 'hashing-worker.cjs', 'thread.ts'].map((name) => [name, evil])),
  )
  expectToLoad(await bundleByEsbuild(join(place, 'service.cjs'), { format: 'cjs' }), models)
  expect(existsSync(join(place, 'ran'))).toBe(false)
})

test('BLAKE3 is refused without its native module, and found by threads if the module is next to the bundle', () => {
  const { policy, blake3 } = models
  expect(run(modules, policy, blake3).outcomes).toEqual([expect.objectContaining({ code: 'HASH_UNAVAILABLE' })])

  installBeside(join(directory, 'modules'), '@napi-rs/blake-hash')
  expect(run(modules, policy, blake3)).toMatchObject({ outcomes: [{ decision: 'accepted' }], stderr: '' })
})

test.each(['esm', 'cjs'] as const)('%s verifies every signing method', async (format) => {
  const outfile = join(directory, 'commonjs/methods.cjs')
  expectToVerify(format === 'esm' ? modules : await bundleByEsbuild(outfile, { format }), models)
})

test.each(['esm', 'cjs'] as const)(
  '%s signs with the @sigstore/sign next to it, or says what to install',
  async (format) => {
    const contents = `import { sigstoreSigner, signModel } from '@modelseal/core/signing'
    const [identityToken, model] = process.argv.slice(2)
    const sign = async () => signModel(model, { signer: await sigstoreSigner({ identityToken }) })
    sign().catch(({ code, hint }) => console.log(JSON.stringify({ code, hint })))`
    const stdin = { contents, resolveDir: import.meta.dirname }
    const place = join(directory, `signing-${format}`)
    const outfile = join(place, format === 'esm' ? 'signing.mjs' : 'signing.cjs')
    await build({ stdin, outfile, bundle: true, platform: 'node', format, logLevel: 'silent' })
    // The token is checked only if the package exists.
    const expired = identityToken({ exp: 1 })
    const codeOf = () => run(outfile, expired, models.honest).outcomes
    expect(codeOf()).toEqual([
      { code: 'SIGSTORE_UNAVAILABLE', hint: expect.stringContaining('npm install @sigstore/sign@5') as string },
    ])
    installBeside(place, '@sigstore/sign')
    expect(codeOf()).toEqual([expect.objectContaining({ code: 'TOKEN_EXPIRED' })])
  },
)

/** A dependency of the core, as installed in the workspace. */
function installBeside(place: string, name: string): void {
  const core = createRequire(createRequire(import.meta.url).resolve('@modelseal/core'))
  const installed = join(place, 'node_modules', name)
  mkdirSync(dirname(installed), { recursive: true })
  symlinkSync(realpathSync(dirname(core.resolve(`${name}/package.json`))), installed)
}
