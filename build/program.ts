import { mkdir, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { carry } from './licenses.ts'
import { ONE_FILE } from './one-file.ts'
import type { Build, Plugin } from './plugin.ts'
import { threadCode } from './threads.ts'

/**
 * The libraries that the built core contains are dependencies of the program, because they would slow down the start of its single
 * file. It therefore contains a build of the core without them, also in chunks, because combined modules start faster than single ones.
 */
export const coreWithoutLibraries: Plugin = {
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
          attestation: '../core/src/entries/attestation.ts',
          advisory: '../core/src/entries/advisory.ts',
          monitor: '../core/src/entries/monitor.ts',
          journal: '../core/src/entries/journal.ts',
          errors: '../core/src/entries/errors.ts',
          'any-realm': '../core/src/any-realm.ts',
          ...FOR_HUBS,
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
      for (const { path, text } of outputFiles) chunks.set(basename(path), text)
    })
    build.onResolve({ filter: /^@modelseal\/core(\/|$)/ }, ({ path }) => ({
      // Without the directory, in which the same program would be another one.
      path: `${path.split('/')[2] ?? 'index'}.js`,
      namespace: 'core',
    }))
    build.onResolve({ filter: /^\./, namespace: 'core' }, ({ path }) => ({ path: basename(path), namespace: 'core' }))
    build.onLoad({ filter: /.*/, namespace: 'core' }, ({ path }) => {
      const contents = chunks.get(path)
      if (contents === undefined)
        throw new Error(`The program imports ${path}, which is missing from coreWithoutLibraries.`)
      return { contents, resolveDir: process.cwd() }
    })
  },
}

/** Entry points of the core that only the packages of hubs and object stores use. */
const FOR_HUBS = {
  adapter: '../core/src/entries/adapter.ts',
  http: '../core/src/entries/http.ts',
  distributed: '../core/src/entries/distributed.ts',
  publishing: '../core/src/entries/publishing.ts',
  source: '../core/src/source/model-sources.ts',
}

/**
 * Packages of this project that few commands need, each in a file that is loaded when it is used: that of hubs, with what reads archives, for
 * `hf://` and `oci://` URLs, that of object stores, that of journals, and that of fleets. They use the core of the program, which is passed to them: a copy would be larger, and would
 * not know the program's settings.
 */
export const packagesInFiles: Plugin = {
  name: 'packages in files',
  setup(build) {
    const files = { fleet: 'fleets', hub: 'hubs', journal: 'journals', s3: 'object-stores' }
    for (const [name, file] of Object.entries(files)) packageInFile(build, name, file)
  },
}

function packageInFile(build: Build, name: string, file: string): void {
  let used: string[] = []
  build.onStart(async () => {
    const core = new Set<string>()
    const { outputFiles, metafile } = await build.esbuild.build({
      ...ONE_FILE,
      entryPoints: [`../${name}/src/index.ts`],
      metafile: true,
      // CommonJS has no such URL. It only serves to find an optional package, for which a path is as good.
      define: { 'import.meta.url': '__filename' },
      banner: { js: 'module.exports = (core) => { const module = { exports: {} };' },
      footer: { js: 'return module.exports };' },
      plugins: [coreAsGiven(core)],
    })
    carry(metafile)
    // In the order of names, because esbuild resolves in any order.
    used = [...core].sort()
    await mkdir('dist', { recursive: true })
    await writeFile(`dist/${file}.cjs`, outputFiles[0]?.text ?? '')
  })
  build.onResolve({ filter: new RegExp(`^@modelseal/${name}$`) }, ({ path }) => ({ path, namespace: file }))
  build.onResolve({ filter: /^\.\//, namespace: file }, ({ path }) => ({ path, external: true }))
  build.onLoad({ filter: /.*/, namespace: file }, () => {
    const getters = used.map((entry) => `get '${entry}'() { return require('${entry}') }`)
    return {
      contents: `module.exports = require('./${file}.cjs')({ ${getters.join(', ')} })`,
      resolveDir: process.cwd(),
    }
  })
}

/** @param used gets the entry points of the core that are imported */
function coreAsGiven(used: Set<string>): Plugin {
  return {
    name: 'core as given',
    setup(build) {
      build.onResolve({ filter: /^@modelseal\/core(\/|$)/ }, ({ path }) => {
        used.add(path)
        return { path, namespace: 'given core' }
      })
      build.onLoad({ filter: /.*/, namespace: 'given core' }, ({ path }) => ({
        contents: `module.exports = core['${path}']`,
      }))
    },
  }
}

/**
 * Files of the program with the libraries for certificates and Sigstore: two instead of 90, each of which takes Node.js up to a
 * millisecond to find and read. They are not in the program's own file, because compiling them would slow down its start.
 */
const LIBRARIES = {
  'certificate-libraries': ['asn1js', 'pkijs'],
  'sigstore-libraries': ['@sigstore/bundle', '@sigstore/protobuf-specs', '@sigstore/verify'],
}
export const librariesInFiles: Plugin = {
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
