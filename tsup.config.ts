import { existsSync } from 'node:fs'
import { defineConfig } from 'tsup'
import { fewChunks } from './build/chunks.ts'
import { commonJsInChunks, ownEngine, requiresFromProcess, yamlOfModules } from './build/libraries.ts'
import { licenses, writeLicenses } from './build/licenses.ts'
import { writeManPages } from './build/man-pages.ts'
import { childProcessWhenUsed, lazyNodeModules, namesFromProcess } from './build/modules-of-node.ts'
import { coreWithoutLibraries, packagesInFiles, librariesInFiles } from './build/program.ts'
import { relativeMaps } from './build/relative-maps.ts'
import { ownSourceMaps } from './build/source-maps.ts'
import { hashingWorker, threadCode } from './build/threads.ts'

// One configuration for all packages, each of which builds the entry points that exist in it. Libraries are built as ESM
// and CommonJS, with types for both, and in chunks, so that an import loads little. The program is one CommonJS file that
// contains the core, because that starts fastest; the dependencies in its package.json are loaded when they are used.
//
// Programs may bundle the libraries. Their code must therefore not refer to files that a bundler would have to find,
// globals of only one module system, or names that a bundler's banner declares (docs/how-to/bundlers.md).
const library = existsSync('src/index.ts')
const entry = Object.fromEntries(
  Object.entries({
    index: 'src/index.ts',
    signing: 'src/entries/signing.ts',
    attestation: 'src/entries/attestation.ts',
    advisory: 'src/entries/advisory.ts',
    monitor: 'src/entries/monitor.ts',
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
    http: 'src/entries/http.ts',
    distributed: 'src/entries/distributed.ts',
    publishing: 'src/entries/publishing.ts',
    journal: 'src/entries/journal.ts',
    source: 'src/source/model-sources.ts',
    main: 'src/main.ts',
  }).filter(([, file]) => existsSync(file)),
)
const isCore = existsSync('src/hashing')
const carriesCore = isCore || !library

/**
 * `@modelseal/register` starts with every program that it guards, and each module that it imports from the core costs the
 * program a millisecond. It therefore contains the small entry points of the core that it needs at startup. They store values
 * that must exist only once in a process under `Symbol.for()`. The core itself is imported when the first model is loaded.
 */
const startsEveryProgram = process.cwd().endsWith('register')
const CARRIED = /^@modelseal\/core\/(any-realm|environment|errors|find-policy|guard)$/

export default defineConfig({
  entry,
  format: library ? ['esm', 'cjs'] : ['cjs'],
  // The order of types would depend on which file was read first.
  dts: library ? { entry, compilerOptions: { stripInternal: true, stableTypeOrdering: true } } : false,
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
    // The source a second time would be a sixth of what users install. Stack traces only need its names and lines; Vite, which warns
    // if a map has no source, reads the other format.
    options.sourcesContent = format !== 'cjs'
    // The program is read whole at each start. The last line tells linters of packages, which look at the text, that it is CommonJS.
    if (!library)
      Object.assign(options, { minifyWhitespace: true, minifySyntax: true, footer: { js: 'module.exports;' } })
    if (carriesCore && format === 'cjs') options.define = { ...options.define, 'import.meta.url': 'undefined' }
  },
  esbuildPlugins: [
    ...(carriesCore ? [threadCode] : []),
    ...(isCore ? [hashingWorker, fewChunks, yamlOfModules, commonJsInChunks, ownEngine] : []),
    // The package of hubs contains what reads archives.
    ...(library && !isCore ? [requiresFromProcess] : []),
    ...(startsEveryProgram ? [lazyNodeModules] : library ? [namesFromProcess] : []),
    ...(library ? [] : [coreWithoutLibraries, packagesInFiles, yamlOfModules, librariesInFiles, childProcessWhenUsed]),
    ownSourceMaps,
    licenses,
  ],
  onSuccess: async () => {
    await writeLicenses()
    await relativeMaps()
    if (!library) await writeManPages()
  },
})
