import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { nodeFileTrace } from '@vercel/nft'
import { build } from 'esbuild'
import { rollup, type Plugin } from 'rollup'
import { build as buildByVite } from 'vite'
import webpack from 'webpack'
import { beforeAll, expect, test } from 'vitest'
import {
  bundleByEsbuild,
  expectToLoad,
  expectToVerify,
  modelsIn,
  SERVICE,
  type BundlerModels,
} from '../support/bundled.ts'
import { scratchOfSuite, writeTree } from '../support/models.ts'

// Bundlers and tracers that take longer than esbuild (test/bundled.test.ts).

const ROOT = join(import.meta.dirname, '../..')

/** Their types are for CommonJS, where the function is `default`. */
const plugin = (make: unknown) => (make as () => Plugin)()

let directory: string
let models: BundlerModels
beforeAll(async () => {
  directory = scratchOfSuite()
  models = await modelsIn(directory)
})

/** Each returns the path of the bundle. */
const BUNDLERS: Record<string, (program: string, to: string) => Promise<string>> = {
  Vite: async (program, to) => {
    const output = { entryFileNames: 'service.mjs' }
    await buildByVite({
      configFile: false,
      logLevel: 'error',
      build: { ssr: program, outDir: to, rolldownOptions: { output } },
      ssr: { noExternal: true },
    })
    return join(to, 'service.mjs')
  },
  Rollup: async (program, to) => {
    const bundle = await rollup({
      input: program,
      onwarn: () => {},
      plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), plugin(commonjs), plugin(json)],
    })
    await bundle.write({ dir: to, format: 'es', entryFileNames: 'service.mjs' })
    return join(to, 'service.mjs')
  },
  webpack: async (program, to) => {
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
      webpack(
        {
          mode: 'production',
          target: 'node22',
          entry: program,
          output: { path: to, filename: 'service.cjs' },
          optimization: { minimize: false },
        },
        (error, stats) => (error ? reject(error) : resolve(stats)),
      )
    })
    expect(stats?.toJson({ errors: true }).errors).toEqual([])
    return join(to, 'service.cjs')
  },
  esbuild: (program, to) =>
    bundleByEsbuild(join(to, 'service.mjs'), { format: 'esm', entryPoints: [{ in: program, out: 'service' }] }),
}

test.each(['Vite', 'Rollup', 'webpack'])('bundled by %s, it loads large models in threads', async (name) => {
  const bundle = await BUNDLERS[name]!(SERVICE, join(directory, name))
  expectToLoad(bundle, models)
  expectToVerify(bundle, models)
})

test.each(
  Object.keys(BUNDLERS).flatMap((name) => ['@modelseal/core', '@modelseal/core/policy'].map((entry) => [name, entry])),
)('bundled by %s, an import of %s has threads inherit the environment', async (name, entry) => {
  const place = join(directory, `${name}-${basename(entry)}`)
  // Next to the packages that it imports.
  const program = join(ROOT, 'test/bundlers', `imports-${basename(entry)}.mjs`)
  const { stdout } = spawnSync(process.execPath, [await BUNDLERS[name]!(program, place)], { encoding: 'utf8' })
  expect(stdout).toBe('function string\n')
})

test('bundled by esbuild, adapters load signed models into an external runtime, and refuse others', async () => {
  const banner = { js: "import { createRequire } from 'module'; const require = createRequire(import.meta.url);" }
  const place = join(directory, 'adapters')
  const outfile = join(place, 'service.mjs')
  const external = ['onnxruntime-node', '@tensorflow/tfjs-node']
  const entryPoints = [join(ROOT, 'test/bundlers/adapters.mjs')]
  await build({
    entryPoints,
    outfile,
    external,
    banner,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  mkdirSync(join(place, 'node_modules'))
  const runtime = 'node_modules/onnxruntime-node'
  symlinkSync(realpathSync(join(ROOT, 'test', runtime)), join(place, runtime))
  const { byMethods } = models
  const policy = join(byMethods, 'modelseal.policy.yaml')
  const args = [policy, join(byMethods, 'by-certificate/model.onnx'), join(byMethods, 'by-key-changed')]
  const { stdout } = spawnSync(process.execPath, [outfile, ...args], { encoding: 'utf8' })
  expect(stdout).toContain('"accepted"\n"MODEL_NOT_FOUND"\n')
})

test.each(['service.mjs', 'service.cjs'])(
  'traced from the root directory, %s needs no system files',
  async (program) => {
    const file = join(ROOT, 'test/bundlers', program)
    const { fileList } = await nodeFileTrace([file], { base: '/', processCwd: directory })
    expect([...fileList].filter((traced) => relative(ROOT, `/${traced}`).startsWith('..'))).toEqual([])
    expect(fileList.size).toBeGreaterThan(10)
  },
)

test.each(['import', 'require'])('traced by @vercel/nft from %s, it loads large models in threads', async (how) => {
  const traced = join(directory, `traced-${how}`)
  // In the workspace, where its imports can be resolved.
  const program = how === 'import' ? SERVICE : join(ROOT, 'test/bundlers/service.cjs')
  const { fileList } = await nodeFileTrace([program], { base: ROOT })
  for (const file of fileList) {
    mkdirSync(dirname(join(traced, file)), { recursive: true })
    cpSync(join(ROOT, file), join(traced, file), { verbatimSymlinks: true, recursive: true })
  }
  writeTree(traced, {})
  expectToLoad(join(traced, program.slice(ROOT.length)), models)
  expectToVerify(join(traced, program.slice(ROOT.length)), models)
})
