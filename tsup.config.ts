import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { defineConfig, type Options } from 'tsup'

// One configuration for every package; each builds what it has. A library is built twice, as ESM
// and as CommonJS, with types for both, and in chunks, so that an import loads little.
// The program is one CommonJS file with the core in it, which starts fastest; what a package.json
// names as dependencies, both leave to be loaded where it is used.
const library = existsSync('src/index.ts')
const entry = Object.fromEntries(
  Object.entries({
    index: 'src/index.ts',
    opentelemetry: 'src/telemetry/opentelemetry.ts',
    'model-files': 'src/model-files.ts',
    'any-runtime': 'src/any-runtime.ts',
    errors: 'src/errors.ts',
    'any-realm': 'src/any-realm.ts',
    environment: 'src/environment.ts',
    'find-policy': 'src/policy/find-policy.ts',
    guard: 'src/loading/guard.ts',
    judged: 'src/loading/judged.ts',
    main: 'src/main.ts',
    // The program carries the core, so it carries the core's worker, too.
    'hashing-worker': library ? 'src/hashing/worker.ts' : '../core/src/hashing/worker.ts',
  }).filter(([, file]) => existsSync(file)),
)
const programs = ['hashing-worker', 'main']
const typed = Object.fromEntries(Object.entries(entry).filter(([name]) => !programs.includes(name)))

/**
 * `@modelseal/register` starts with every program that it guards, and each module that it imports from the core costs the
 * program a millisecond. So it carries the small entries of the core that it needs at the start. What must be one in a
 * process, they keep under `Symbol.for()`. The core itself is imported when the first model is loaded.
 */
const startsEveryProgram = process.cwd().endsWith('register')
const CARRIED = /^@modelseal\/core\/(any-realm|environment|errors|find-policy)$/

/**
 * An `import` of `node:fs` or `node:util` makes Node.js load every part of them, 30 modules of its own that few programs need.
 * Taken from the process they load what is used.
 */
const withoutAllOfNode: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'without all of node:fs and node:util',
  setup(build) {
    build.onResolve({ filter: /^(node:)?(fs|util)$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'process',
    }))
    build.onLoad({ filter: /.*/, namespace: 'process' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}')`,
    }))
  },
}

/** Commander imports it at once, for commands that are programs of their own; there are none here. */
const withoutChildProcess: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'without child_process',
  setup(build) {
    build.onLoad({ filter: /[\\/]commander[\\/]lib[\\/]command\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source.replace("import childProcess from 'node:child_process'", 'const childProcess = {}')
      if (contents === source) throw new Error(`${path} does not import child_process as it did`)
      return { contents }
    })
  },
}

export default defineConfig({
  entry,
  format: library ? ['esm', 'cjs'] : ['cjs'],
  dts: library ? { entry: typed } : false,
  clean: true,
  shims: true,
  splitting: library,
  sourcemap: true,
  target: 'node22',
  tsconfig: '../../tsconfig.json',
  noExternal: startsEveryProgram ? [CARRIED] : [],
  // What removes it comes before the plugin that looks for it.
  removeNodeProtocol: !startsEveryProgram,
  esbuildPlugins: library ? (startsEveryProgram ? [withoutAllOfNode] : []) : [withoutChildProcess],
  onSuccess: async () => {
    if (!library) await writeLicenses()
  },
})

/** Of the packages that the program's file contains: they ask for that. */
async function writeLicenses(): Promise<void> {
  const texts = ['commander', 'picocolors'].map(async (name) => {
    const text = await readFile(`node_modules/${name}/LICENSE`, 'utf8')
    return `${name}\n\n${text}`
  })
  await writeFile('dist/LICENSES.txt', (await Promise.all(texts)).join('\n\n'))
}
