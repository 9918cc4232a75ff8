import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { defineConfig, type Options } from 'tsup'

// One configuration for all packages, each of which builds the entry points that exist in it. Libraries are built as ESM
// and CommonJS, with types for both, and in chunks, so that an import loads little. The program is one CommonJS file that
// contains the core, because that starts fastest; the dependencies in its package.json are loaded when they are used.
//
// Programs may bundle the libraries. Their code must therefore not refer to files that a bundler would have to find,
// globals of only one module system, or names that a bundler's banner declares (docs/bundlers.md).
const library = existsSync('src/index.ts')
const entry = Object.fromEntries(
  Object.entries({
    index: 'src/index.ts',
    signing: 'src/entries/signing.ts',
    verification: 'src/entries/verification.ts',
    policy: 'src/entries/policy.ts',
    adapter: 'src/entries/adapter.ts',
    opentelemetry: 'src/telemetry/opentelemetry.ts',
    'model-files': 'src/model-files.ts',
    'any-runtime': 'src/any-runtime.ts',
    errors: 'src/entries/errors.ts',
    'any-realm': 'src/any-realm.ts',
    environment: 'src/environment.ts',
    'find-policy': 'src/policy/find-policy.ts',
    guard: 'src/loading/guard.ts',
    judged: 'src/entries/judged.ts',
    formats: 'src/entries/formats.ts',
    source: 'src/source/model-sources.ts',
    main: 'src/main.ts',
  }).filter(([, file]) => existsSync(file)),
)
const isCore = existsSync('src/hashing')
const carriesCore = isCore || !library

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

/** Embeds the code of the core's threads as text. */
const threadCode: Plugin = {
  name: 'thread code',
  setup(build) {
    build.onLoad({ filter: /[\\/]hashing[\\/]threads[\\/]thread-code\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const text = await oneFile(build, join(dirname(path), 'thread.ts'))
      const contents = source
        .replace("new URL('./thread.ts', import.meta.url)", () => JSON.stringify(text))
        .replaceAll("'./worker.ts'", "'./hashing-worker.cjs'")
      if (contents.includes("thread.ts'") || contents.includes('worker.ts'))
        throw new Error(`${path} has changed: adapt tsup.config.ts`)
      return { contents, loader: 'ts' }
    })
  },
}

/** For a pool that a program provides. A single file, because bundlers copy it unchanged. */
const hashingWorker: Plugin = {
  name: 'hashing worker',
  setup(build) {
    build.onEnd(async () => {
      // tsup creates the folder and writes its own files only after this.
      await mkdir('dist', { recursive: true })
      await writeFile('dist/hashing-worker.cjs', await oneFile(build, 'src/hashing/threads/worker.ts'))
    })
  },
}

async function oneFile({ esbuild }: Parameters<Plugin['setup']>[0], entryPoint: string): Promise<string> {
  const define = { 'import.meta.url': 'undefined' }
  const { outputFiles } = await esbuild.build({ ...ONE_FILE, entryPoints: [entryPoint], define })
  return outputFiles[0]?.text ?? ''
}

const ONE_FILE = {
  bundle: true,
  write: false,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'error',
} as const

/**
 * The build of yaml for Node.js is CommonJS, which fails in ESM bundles with "Dynamic require of "process" is not supported".
 * The build for browsers consists of ES modules and has the same parser.
 */
const yamlOfModules: Plugin = {
  name: 'yaml of ES modules',
  setup(build) {
    build.onResolve({ filter: /^yaml$/ }, () => ({ path: resolve('node_modules/yaml/browser/index.js') }))
  },
}

/**
 * The core contains the libraries that it needs, in chunks that are loaded when they are first used. Services that only load models
 * therefore install few packages, and the ES modules contain no CommonJS, which would fail in bundles with "Dynamic require of "crypto" is not supported".
 */
const COMMONJS_ONLY = /^(@sigstore\/(bundle|protobuf-specs|verify)|@tufjs\/models|tuf-js)(\/|$)/
const commonJsInChunks: Plugin = {
  name: 'CommonJS in chunks',
  setup(build) {
    if (build.initialOptions.define?.TSUP_FORMAT !== '"cjs"')
      takeFromProcess(build, /^[a-z_/]+$/, ({ kind, path }) => kind === 'require-call' && isBuiltin(path))
    // A CommonJS chunk would only have the export `default`.
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

/**
 * esbuild puts modules in one chunk if the same entry points reach them. One load would need forty chunks, and each takes
 * Node.js a millisecond to find and read. So whatever needs a part of a group imports the whole group, which becomes one chunk.
 */
const GROUPS = {
  /** The small entry points. */
  start: /^(entries\/errors|any-realm|environment|loading\/guard|policy\/find-policy)$/,
  /** What every load needs: all that `index.ts` exports. */
  load: /^(index|entries\/(signing|verification|policy|adapter|judged|formats)|telemetry\/opentelemetry|source\/model-sources|policy\/compile-policy)$/,
  /** What every load by a policy needs. */
  policy: /^policy\/(compile-policy|judge|expectations|checking\/findings|revocations\/revoked-signer)$/,
}
const fewChunks: Plugin = {
  name: 'few chunks',
  setup(build) {
    // The imports only decide about chunks. They evaluate nothing.
    build.initialOptions.logOverride = { 'ignored-bare-import': 'silent' }
    build.onLoad({ filter: /[\\/]core[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      const name = relative(resolve('src'), path).replaceAll('\\', '/').replace('.ts', '')
      const groups = Object.entries(GROUPS).filter(([, members]) => members.test(name))
      if (groups.length === 0) return undefined
      const imports = groups.map(([group]) => `\nimport 'group:${group}'`)
      return { contents: (await readFile(path, 'utf8')) + imports.join(''), loader: 'ts' }
    })
    build.onResolve({ filter: /^group:/ }, ({ path }) => ({ path: path.replace('group:', ''), namespace: 'group' }))
    build.onLoad({ filter: /.*/, namespace: 'group' }, async ({ path }) => ({
      contents: (await filesOf(path as keyof typeof GROUPS)).map((file) => `import '${file}'\n`).join(''),
      resolveDir: resolve('src'),
    }))
  },
}

async function filesOf(group: keyof typeof GROUPS): Promise<string[]> {
  if (group === 'start') return ['./policy/find-policy.ts', './loading/guard.ts']
  if (group === 'policy') return ['./policy/compile-policy.ts', './policy/judge.ts']
  // Without `index.ts` itself: package.json says that it has side effects and that chunks have none.
  const exported = (await readFile('src/index.ts', 'utf8')).matchAll(/ from '(\.[^']+)'/g)
  return Array.from(exported, ([, file = '']) => file)
}

/** Source maps cover only our own sources: with the libraries, they would be three times as large as the code. */
const ownSourceMaps: Plugin = {
  name: 'own source maps',
  setup(build) {
    build.onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => ({
      contents: withoutMap(await readFile(path, 'utf8')),
    }))
  },
}

/** esbuild follows this empty map, and therefore omits the source from its own. */
function withoutMap(source: string): string {
  const map = Buffer.from('{"version":3,"sources":[""],"sourcesContent":[""],"mappings":"AAAA"}').toString('base64')
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${map}`
}

/**
 * An ES module that imports one name from a module of Node.js makes it create all exports of that module, which loads internal
 * modules that few programs need. The ES modules of the libraries therefore ask the process for what they use, which takes 10 ms less.
 */
const namesFromProcess: Plugin = {
  name: 'names from the process',
  setup(build) {
    const isCommonJs = build.initialOptions.define?.['TSUP_FORMAT'] === '"cjs"'
    build.onResolve({ filter: /^node:/ }, ({ path }) =>
      isCommonJs
        ? { path: path.replace('node:', ''), external: true }
        : { path, namespace: 'names', sideEffects: false },
    )
    build.onLoad({ filter: /.*/, namespace: 'names' }, ({ path }) => {
      const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter(
        (name) => /^\w+$/.test(name) && name !== 'default',
      )
      // What nothing imports is removed, because the calls are marked as pure.
      const exports = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => all.${name})()`)
      return {
        contents: [
          `const all = /* @__PURE__ */ process.getBuiltinModule('${path}')`,
          ...exports,
          'export default all',
        ].join('\n'),
      }
    })
  },
}

/** A separate copy of pkijs: realms of test runners may lack the global `crypto`, and other copies store their engine in the global object. */
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
        throw new Error(`${path} has changed: adapt tsup.config.ts`)
      return { contents: withoutMap(contents) }
    })
  },
}

/**
 * `@modelseal/register` starts with every program that it guards, and each module that it imports from the core costs the
 * program a millisecond. It therefore contains the small entry points of the core that it needs at startup. They store values
 * that must exist only once in a process under `Symbol.for()`. The core itself is imported when the first model is loaded.
 */
const startsEveryProgram = process.cwd().endsWith('register')
const CARRIED = /^@modelseal\/core\/(any-realm|environment|errors|find-policy|guard)$/

/**
 * An `import` of `node:fs` or `node:util` makes Node.js load all their parts, 30 internal modules that few programs need.
 * `process.getBuiltinModule()` loads only the parts that are used.
 */
const lazyNodeModules: Plugin = {
  name: 'lazy node:fs and node:util',
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

/**
 * The libraries that the built core contains are dependencies of the program, because they would slow down the start of its single
 * file. It therefore contains a build of the core without them, also in chunks, because combined modules start faster than single ones.
 */
const coreWithoutLibraries: Plugin = {
  name: 'core without libraries',
  setup(build) {
    const chunks = new Map<string, string>()
    build.onStart(async () => {
      const { outputFiles } = await build.esbuild.build({
        entryPoints: {
          index: '../core/src/index.ts',
          signing: '../core/src/entries/signing.ts',
          verification: '../core/src/entries/verification.ts',
          policy: '../core/src/entries/policy.ts',
          errors: '../core/src/entries/errors.ts',
          'any-realm': '../core/src/any-realm.ts',
        },
        bundle: true,
        splitting: true,
        write: false,
        outdir: 'core',
        platform: 'node',
        format: 'esm',
        target: 'node22',
        packages: 'external',
        sourcemap: 'inline',
        plugins: [threadCode],
      })
      for (const { path, text } of outputFiles) chunks.set(path, text)
    })
    build.onResolve({ filter: /^@modelseal\/core(\/|$)/ }, ({ path }) => ({
      path: resolve('core', `${path.split('/')[2] ?? 'index'}.js`),
      namespace: 'core',
    }))
    build.onResolve({ filter: /^\./, namespace: 'core' }, ({ path, importer }) => ({
      path: resolve(dirname(importer), path),
      namespace: 'core',
    }))
    build.onLoad({ filter: /.*/, namespace: 'core' }, ({ path }) => {
      const contents = chunks.get(path)
      if (contents === undefined)
        throw new Error(`The program imports ${path}, which is missing from coreWithoutLibraries.`)
      return { contents, resolveDir: process.cwd() }
    })
  },
}

/**
 * Files of the program with the libraries for certificates and Sigstore: two instead of 90, each of which takes Node.js up to a
 * millisecond to find and read. They are not in the program's own file, because compiling them would slow down its start.
 */
const LIBRARIES = {
  'certificate-libraries': ['asn1js', 'pkijs'],
  'sigstore-libraries': ['@sigstore/bundle', '@sigstore/protobuf-specs', '@sigstore/verify'],
}
const librariesInFiles: Plugin = {
  name: 'libraries in files',
  setup(build) {
    for (const [file, names] of Object.entries(LIBRARIES)) {
      build.onResolve({ filter: /^[@a-z]/ }, ({ path }) =>
        names.includes(path) ? { path, namespace: file } : undefined,
      )
      build.onResolve({ filter: /^\./, namespace: file }, ({ path }) => ({ path, external: true }))
      build.onLoad({ filter: /.*/, namespace: file }, ({ path }) => ({
        contents: `module.exports = require('./${file}.cjs')['${path}']`,
      }))
      build.onEnd(async () => {
        const getters = names.map((name) => `get '${name}'() { return require('${name}') }`)
        const contents = `module.exports = { ${getters.join(', ')} }`
        const { outputFiles, metafile } = await build.esbuild.build({
          ...ONE_FILE,
          stdin: { contents, resolveDir: process.cwd() },
          metafile: true,
        })
        carry(metafile)
        await mkdir('dist', { recursive: true })
        await writeFile(`dist/${file}.cjs`, outputFiles[0]?.text ?? '')
      })
    }
  },
}

/** Commander imports `node:child_process` for commands that are separate programs. There are none here, so it is not loaded at startup. */
const childProcessWhenUsed: Plugin = {
  name: 'child_process when it is used',
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path, namespace: 'when used' } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: 'when used' }, ({ path }) => ({
      contents: `export default { get spawn() { return process.getBuiltinModule('${path}').spawn } }`,
    }))
  },
}

/** Directories of the packages that the built files contain, with the files that they contain. Their licenses must be distributed with them. */
const carried = new Map<string, Set<string>>()
const licenses: Plugin = {
  name: 'licenses',
  setup(build) {
    build.onEnd(({ metafile }) => {
      carry(metafile)
    })
  },
}

type Metafile = Parameters<Parameters<Parameters<Plugin['setup']>[0]['onEnd']>[0]>[0]['metafile']

function carry(metafile: Metafile): void {
  const inputs = Object.values(metafile?.outputs ?? {}).flatMap((output) => Object.entries(output.inputs))
  for (const [input, { bytesInOutput }] of inputs) {
    if (bytesInOutput === 0) continue
    const [directory] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []
    if (directory !== undefined) carried.set(directory, (carried.get(directory) ?? new Set()).add(input))
  }
}

async function writeLicenses(): Promise<void> {
  if (carried.size === 0) return
  const texts = [...carried].map(async ([directory, files]) => {
    const { name, version } = await manifestIn(directory)
    return `${name} ${version}\n\n${await licenseIn(directory, files)}`
  })
  await writeFile('dist/LICENSES.txt', (await Promise.all(texts)).sort().join('\n\n'))
}

async function licenseIn(directory: string, files: ReadonlySet<string>): Promise<string> {
  const file = (await readdir(directory)).find((name) => /^licen[cs]e/i.test(name))
  if (file !== undefined) return readFile(join(directory, file), 'utf8')
  // Published without its text, which is the same as that of our own license.
  const { license } = await manifestIn(directory)
  const ours = await readFile('LICENSE', 'utf8')
  if (license === 'Apache-2.0') return ours
  // The other license is at the beginning of the files that are under it.
  const texts = await Promise.all([...files].map((file) => readFile(file, 'utf8')))
  const notices = texts.map((text) => /^(?:\/\/.*\n)*/.exec(text)?.[0] ?? '')
  const others = new Set(notices.filter((notice) => notice.includes('Redistribution and use')))
  if (license !== '(Apache-2.0 AND BSD-3-Clause)' || others.size === 0)
    throw new Error(`Cannot include the license of ${directory}: the package contains no license file.`)
  return [ours, ...others].join('\n').replaceAll(/^\/\/ ?/gm, '')
}

interface Manifest {
  name: string
  version: string
  license?: string
}

async function manifestIn(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest
}

export default defineConfig({
  entry,
  format: library ? ['esm', 'cjs'] : ['cjs'],
  dts: library ? { entry, compilerOptions: { stripInternal: true } } : false,
  clean: true,
  shims: !carriesCore,
  splitting: library,
  sourcemap: true,
  target: 'node22',
  tsconfig: '../../tsconfig.json',
  // It has 70 modules; in the program's own file they load in a fraction of the time.
  noExternal: startsEveryProgram ? [CARRIED] : library ? [] : ['yaml'],
  // Removing the protocol would happen before the plugins that look for it.
  removeNodeProtocol: false,
  esbuildOptions: (options, { format }) => {
    // The program is read whole at each start. The last line tells linters of packages, which look at the text, that it is CommonJS.
    if (!library)
      Object.assign(options, { minifyWhitespace: true, minifySyntax: true, footer: { js: 'module.exports;' } })
    if (carriesCore && format === 'cjs') options.define = { ...options.define, 'import.meta.url': 'undefined' }
  },
  esbuildPlugins: [
    ...(carriesCore ? [threadCode] : []),
    ...(isCore ? [hashingWorker, fewChunks, yamlOfModules, commonJsInChunks, ownEngine] : []),
    ...(startsEveryProgram ? [lazyNodeModules] : library ? [namesFromProcess] : []),
    ...(library ? [] : [coreWithoutLibraries, yamlOfModules, librariesInFiles, childProcessWhenUsed]),
    ownSourceMaps,
    licenses,
  ],
  onSuccess: writeLicenses,
})
