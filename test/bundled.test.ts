import { existsSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { bundleByEsbuild, expectToLoad, modelsIn, run, type BundlerModels } from './support/bundled.ts'
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

test('as ES modules, it loads large models in threads', () => expectToLoad(modules, models))

test('as ES modules with the usual banner, it loads large models in threads', async () => {
  const outfile = join(directory, 'banner/service.mjs')
  expectToLoad(await bundleByEsbuild(outfile, { format: 'esm', banner: { js: BANNER } }), models)
})

test('as CommonJS, it loads large models in threads', async () => {
  expectToLoad(await bundleByEsbuild(join(directory, 'commonjs/service.cjs'), { format: 'cjs' }), models)
})

test('minified, and in chunks, it loads large models in threads', async () => {
  const options = { format: 'esm', minify: true, splitting: true } as const
  expectToLoad(await bundleByEsbuild(join(directory, 'minified/service.mjs'), options), models)
})

test('a file named worker.js beside it is none of its threads', async () => {
  const evil = "require('node:fs').writeFileSync(__dirname + '/ran', ''); throw new Error('ran')"
  const place = join(directory, 'beside')
  writeTree(
    place,
    Object.fromEntries(['worker.js', 'worker.cjs', 'hashing-worker.cjs', 'thread.ts'].map((name) => [name, evil])),
  )
  expectToLoad(await bundleByEsbuild(join(place, 'service.cjs'), { format: 'cjs' }), models)
  expect(existsSync(join(place, 'ran'))).toBe(false)
})

test('without the native module of BLAKE3, it refuses what needs it; with it beside, threads find it', () => {
  const { policy, blake3 } = models
  expect(run(modules, policy, blake3).outcomes).toEqual([expect.objectContaining({ code: 'HASH_UNAVAILABLE' })])

  const core = createRequire(createRequire(import.meta.url).resolve('@modelseal/core'))
  const installed = join(directory, 'modules/node_modules/@napi-rs')
  writeTree(installed, { '.keep': '' })
  symlinkSync(realpathSync(dirname(core.resolve('@napi-rs/blake-hash/package.json'))), join(installed, 'blake-hash'))
  expect(run(modules, policy, blake3)).toMatchObject({ outcomes: [{ decision: 'accepted' }], stderr: '' })
})

test('as ES modules, trust roots of Sigstore need the banner, and the refusal says so', () => {
  const policy = join(directory, 'sigstore.yaml')
  writeTree(directory, {
    'sigstore.yaml': `version: 1
trustRoots: { them: { sigstore: public-good } }
rules:
  - name: all
    match: { path: '**' }
    signers: [{ sigstore: { root: them, issuer: 'https://issuer.example', identity: 'a@example.com' } }]
`,
  })
  expect(run(modules, policy, models.honest).outcomes).toEqual([
    expect.objectContaining({ code: 'INTERNAL', message: expect.stringContaining('docs/bundlers.md') as string }),
  ])
  const withBanner = join(directory, 'banner/service.mjs')
  expect(run(withBanner, policy, models.honest).outcomes).toEqual([
    expect.objectContaining({ code: 'SIGNER_NOT_TRUSTED' }),
  ])
})
