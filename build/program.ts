import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { carry } from './licenses.ts'
import { ONE_FILE } from './one-file.ts'
import type { Plugin } from './plugin.ts'
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
