import { readFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
import { resolve } from 'node:path'
import { takeFromProcess } from './modules-of-node.ts'
import type { Build, Plugin } from './plugin.ts'
import { withoutMap } from './source-maps.ts'

/**
 * The build of yaml for Node.js is CommonJS, which fails in ESM bundles with "Dynamic require of "process" is not supported".
 * The build for browsers consists of ES modules and has the same parser.
 */
export const yamlOfModules: Plugin = {
  name: 'yaml of ES modules',
  setup(build) {
    build.onResolve({ filter: /^yaml$/ }, () => ({ path: resolve('node_modules/yaml/browser/index.js') }))
  },
}

/** CommonJS in ES modules would fail in bundles with "Dynamic require of "crypto" is not supported". */
export const requiresFromProcess: Plugin = { name: 'requires from the process', setup: takeRequired }

function takeRequired(build: Build): void {
  if (build.initialOptions.define?.TSUP_FORMAT === '"cjs"') return
  takeFromProcess(build, /^[a-z_/]+$/, ({ kind, path }) => kind === 'require-call' && isBuiltin(path))
}

/**
 * The core contains the libraries that it needs, in chunks that are loaded when they are first used. Services that only load models
 * therefore install few packages.
 */
const COMMONJS_ONLY = /^(@sigstore\/(bundle|protobuf-specs|verify)|@tufjs\/models|packageurl-js|tuf-js)(\/|$)/
export const commonJsInChunks: Plugin = {
  name: 'CommonJS in chunks',
  setup(build) {
    takeRequired(build)
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

/** A separate copy of pkijs: realms of test runners may lack the global `crypto`, and other copies store their engine in the global object. */
export const ownEngine: Plugin = {
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
        throw new Error(`${path} has changed: adapt build/libraries.ts`)
      return { contents: withoutMap(contents) }
    })
  },
}
