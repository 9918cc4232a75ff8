import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { defineConfig, type Options } from 'tsup'

// One configuration for every package; each builds what it has. A library is built twice, as ESM
// and as CommonJS, with types for both, and in chunks, so that an import loads little.
// The program is one CommonJS file with the core in it, which starts fastest; what a package.json
// names as dependencies, both leave to be loaded where it is used.
//
// Programs bundle the libraries. So these refer to no file beside them that a bundler would have to find, to no global
// of one module system alone, and to no name that a banner of the bundler declares (docs/bundlers.md).
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
  }).filter(([, file]) => existsSync(file)),
)
const isCore = existsSync('src/hashing')
const carriesCore = isCore || !library

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

/** What the threads of the core run is text in it. */
const threadCode: Plugin = {
  name: 'thread code',
  setup(build) {
    build.onLoad({ filter: /[\\/]hashing[\\/]thread-code\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const text = await oneFile(build, join(dirname(path), 'thread.ts'))
      const contents = source
        .replace("new URL('./thread.ts', import.meta.url)", () => JSON.stringify(text))
        .replaceAll("'./worker.ts'", "'./hashing-worker.cjs'")
      if (contents.includes("thread.ts'") || contents.includes('worker.ts')) throw new Error(`${path} is not as it was`)
      return { contents, loader: 'ts' }
    })
  },
}

/** For a pool that a program brings. In one piece, since bundlers copy it as it is. */
const hashingWorker: Plugin = {
  name: 'hashing worker',
  setup(build) {
    build.onEnd(async () => {
      // tsup writes its own files, and makes the folder, only after this.
      await mkdir('dist', { recursive: true })
      await writeFile('dist/hashing-worker.cjs', await oneFile(build, 'src/hashing/worker.ts'))
    })
  },
}

async function oneFile({ esbuild }: Parameters<Plugin['setup']>[0], entryPoint: string): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entryPoint],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    define: { 'import.meta.url': 'undefined' },
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}

/**
 * The build for Node.js is CommonJS, which in bundles of ES modules fails with "Dynamic require of "process" is not supported".
 * The other one is of ES modules, and has the same parser.
 */
const yamlOfModules: Plugin = {
  name: 'yaml of ES modules',
  setup(build) {
    build.onResolve({ filter: /^yaml$/ }, () => ({ path: resolve('node_modules/yaml/browser/index.js') }))
  },
}

/**
 * `@modelseal/register` starts with every program that it guards, and each module that it imports from the core costs the
 * program a millisecond. So it carries the small entries of the core that it needs at the start. What must be one in a
 * process, they keep under `Symbol.for()`. The core itself is imported when the first model is loaded.
 */
const startsEveryProgram = process.cwd().endsWith('register')
const CARRIED = /^@modelseal\/core\/(any-realm|environment|errors|find-policy|guard)$/

/**
 * An `import` of `node:fs` or `node:util` makes Node.js load every part of them, 30 modules of its own that few programs need.
 * Taken from the process they load what is used.
 */
const withoutAllOfNode: Plugin = {
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
const withoutChildProcess: Plugin = {
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
  dts: library ? { entry } : false,
  clean: true,
  shims: !carriesCore,
  splitting: library,
  sourcemap: true,
  target: 'node22',
  tsconfig: '../../tsconfig.json',
  noExternal: startsEveryProgram ? [CARRIED] : [],
  // What removes it comes before the plugin that looks for it.
  removeNodeProtocol: !startsEveryProgram,
  esbuildOptions: (options, { format }) => {
    if (carriesCore && format === 'cjs') options.define = { ...options.define, 'import.meta.url': 'undefined' }
  },
  esbuildPlugins: [
    ...(carriesCore ? [threadCode] : []),
    ...(isCore ? [hashingWorker, yamlOfModules] : []),
    ...(startsEveryProgram ? [withoutAllOfNode] : []),
    ...(library ? [] : [withoutChildProcess]),
  ],
  onSuccess: async () => {
    if (isCore) await writeLicenses(['yaml'])
    if (!library) await writeLicenses(['commander', 'picocolors'])
  },
})

/** Of the packages that the built files contain: they ask for that. */
async function writeLicenses(packages: readonly string[]): Promise<void> {
  const texts = packages.map(async (name) => {
    const text = await readFile(`node_modules/${name}/LICENSE`, 'utf8')
    return `${name}\n\n${text}`
  })
  await writeFile('dist/LICENSES.txt', (await Promise.all(texts)).join('\n\n'))
}
