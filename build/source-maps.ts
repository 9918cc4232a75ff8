import { readFile } from 'node:fs/promises'
import type { Plugin } from './plugin.ts'

/** Source maps cover only our own sources: with the libraries, they would be three times as large as the code. */
export const ownSourceMaps: Plugin = {
  name: 'own source maps',
  setup(build) {
    build.onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => ({
      contents: withoutMap(await readFile(path, 'utf8')),
    }))
  },
}

/** esbuild follows this empty map, and therefore omits the source from its own. */
export function withoutMap(source: string): string {
  const map = Buffer.from('{"version":3,"sources":[""],"sourcesContent":[""],"mappings":"AAAA"}').toString('base64')
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${map}`
}
