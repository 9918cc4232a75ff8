import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
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
    formats: 'src/loading/formats.ts',
    source: 'src/source/model-sources.ts',
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
 * Each build of the core carries the libraries of the other module system, in chunks that are loaded when they are first used, and
 * imports those of its own. CommonJS cannot load ES modules in Jest on Node.js before 24.9. CommonJS in ES modules that esbuild has
 * bundled fails with "Dynamic require of "crypto" is not supported". `@sigstore/sign` is too large for that, and loads do not need it.
 */
const MODULES_ONLY = /^(asn1js|pkijs)$/
const COMMONJS_ONLY = /^(@sigstore\/(bundle|protobuf-specs|verify)|@tufjs\/models|tuf-js)(\/|$)/
const otherModuleSystem: Plugin = {
  name: 'other module system',
  setup(build) {
    const isCommonJs = build.initialOptions.define?.TSUP_FORMAT === '"cjs"'
    build.onResolve({ filter: isCommonJs ? COMMONJS_ONLY : MODULES_ONLY }, () => ({ external: true }))
    if (isCommonJs) return
    takeFromProcess(build, /^[a-z_/]+$/, ({ kind, path }) => kind === 'require-call' && isBuiltin(path))
    // A chunk of CommonJS would have no exports but `default`.
    build.onResolve({ filter: COMMONJS_ONLY }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, namespace: 'named exports' } : undefined,
    )
    const require = createRequire(resolve('package.json'))
    build.onLoad({ filter: /.*/, namespace: 'named exports' }, ({ path }) => ({
      contents: `export const { ${Object.keys(require(path) as object).join(', ')} } = require('${path}')`,
      resolveDir: process.cwd(),
    }))
  },
}

/** A copy of pkijs of our own: test runners' realms may lack the global `crypto`, and other copies keep their engine in the global object. */
const ownEngine: Plugin = {
  name: 'engine of pkijs',
  setup(build) {
    build.onLoad({ filter: /[\\/]pkijs[\\/]build[\\/]index\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source
        .replaceAll(/typeof process .* && "pid" in process && .* && typeof window === "undefined"/g, 'false')
        .replace(
          /^initCryptoEngine\(\)/m,
          'setEngine("node", new CryptoEngine({ crypto: process.getBuiltinModule("node:crypto").webcrypto }))',
        )
      if (contents.includes('"pid" in process') || !contents.includes('setEngine("node"'))
        throw new Error(`${path} is not as it was`)
      return { contents }
    })
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
  setup: (build) => takeFromProcess(build, /^(node:)?(fs|util)$/),
}

type Resolve = Parameters<Parameters<Plugin['setup']>[0]['onResolve']>[1]

function takeFromProcess(
  build: Parameters<Plugin['setup']>[0],
  filter: RegExp,
  concerns: (args: Parameters<Resolve>[0]) => boolean = () => true,
): void {
  build.onResolve({ filter }, (args) =>
    concerns(args) ? { path: args.path.replace('node:', ''), namespace: 'process' } : undefined,
  )
  build.onLoad({ filter: /.*/, namespace: 'process' }, ({ path }) => ({
    contents: `module.exports = process.getBuiltinModule('node:${path}')`,
  }))
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

/** Directories of the packages that the built files contain, by name. Their licenses ask to be handed on. */
const carried = new Map<string, string>()
const licenses: Plugin = {
  name: 'licenses',
  setup(build) {
    build.onEnd(({ metafile }) => {
      const inputs = Object.values(metafile?.outputs ?? {}).flatMap((output) => Object.entries(output.inputs))
      for (const [input, { bytesInOutput }] of inputs) {
        if (bytesInOutput === 0) continue
        const [directory, name] = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input) ?? []
        if (directory !== undefined && name !== undefined) carried.set(name, directory)
      }
    })
  },
}

async function writeLicenses(): Promise<void> {
  if (carried.size === 0) return
  const texts = [...carried].sort().map(async ([name, directory]) => `${name}\n\n${await licenseIn(directory)}`)
  await writeFile('dist/LICENSES.txt', (await Promise.all(texts)).join('\n\n'))
}

async function licenseIn(directory: string): Promise<string> {
  const file = (await readdir(directory)).find((name) => /^licen[cs]e/i.test(name))
  if (file !== undefined) return readFile(join(directory, file), 'utf8')
  // Published without the text, which is that of our own license.
  const { license } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as { license?: string }
  if (license !== 'Apache-2.0') throw new Error(`Cannot hand on the license of ${directory}: it has no such file.`)
  return readFile('LICENSE', 'utf8')
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
  noExternal: startsEveryProgram ? [CARRIED] : isCore ? [MODULES_ONLY, COMMONJS_ONLY] : [],
  // What removes it comes before the plugin that looks for it.
  removeNodeProtocol: !startsEveryProgram,
  esbuildOptions: (options, { format }) => {
    if (carriesCore && format === 'cjs') options.define = { ...options.define, 'import.meta.url': 'undefined' }
  },
  esbuildPlugins: [
    ...(carriesCore ? [threadCode] : []),
    ...(isCore ? [hashingWorker, yamlOfModules, otherModuleSystem, ownEngine] : []),
    ...(startsEveryProgram ? [withoutAllOfNode] : []),
    ...(library ? [] : [withoutChildProcess]),
    licenses,
  ],
  onSuccess: writeLicenses,
})
