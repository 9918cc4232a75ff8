import { readFile } from 'node:fs/promises'
import { defineConfig } from 'tsup'
import { licenses, writeLicenses } from '../build/licenses.ts'
import type { Plugin } from '../build/plugin.ts'

/**
 * The core hides its optional packages from bundlers. This one is not optional here, and nothing can be installed beside an action:
 * runners only check it out.
 */
const signingLibrary: Plugin = {
  name: 'signing library',
  setup(build) {
    const hidden = 'optionalPackage("@sigstore/sign")'
    build.onLoad({ filter: /[\\/]core[\\/]dist[\\/]signing\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      if (!source.includes(hidden)) throw new Error(`${path} has changed: adapt actions/tsup.config.ts`)
      return { contents: source.replace(hidden, 'require("@sigstore/sign")') }
    })
  },
}

/** Another directory, so that a test can build them again. */
const out = process.env['ACTIONS_OUT'] ?? '.'

/** Each action is one file with everything that it needs, except for native code. */
export default defineConfig({
  entry: { 'sign/dist/index': 'src/sign.ts', 'verify/dist/index': 'src/verify.ts' },
  outDir: out,
  // The extension says so, because a release has no package.json beside it.
  outExtension: () => ({ js: '.cjs' }),
  format: ['cjs'],
  target: 'node22',
  tsconfig: '../tsconfig.json',
  noExternal: [/^(?!node:)/],
  splitting: false,
  silent: true,
  removeNodeProtocol: false,
  esbuildPlugins: [signingLibrary, licenses],
  esbuildOptions: (options) => {
    Object.assign(options, { minifyWhitespace: true, minifySyntax: true, legalComments: 'none', metafile: true })
    // Chunks of the core import others only to have them loaded with them.
    options.logOverride = { 'ignored-bare-import': 'silent' }
  },
  onSuccess: async () => {
    for (const action of ['sign', 'verify']) await writeLicenses(`${out}/${action}/dist/LICENSES.txt`)
  },
})
