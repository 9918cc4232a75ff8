import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import type { Plugin } from './plugin.ts'

/**
 * esbuild puts modules in one chunk if the same entry points reach them. One load would need forty chunks, and each takes
 * Node.js a millisecond to find and read. So whatever needs a part of a group imports the whole group, which becomes one chunk.
 */
const GROUPS = {
  /** The small entry points. */
  start: /^(entries\/errors|any-realm|environment|loading\/guard|policy\/find-policy)$/,
  /** What every load needs: all that `index.ts` exports. */
  load: /^(index|entries\/(signing|attestation|advisory|journal|monitor|verification|policy|adapter|judged|formats|http|distributed|publishing)|telemetry\/opentelemetry|source\/model-sources|policy\/(compile-policy|advisories\/following\/(advised|tuf-feed))|journal\/(recording\/record-verdict|writing\/keys\/token-key)|loading\/(inspecting\/read-attestations|downloading\/saved-attestations))$/,
  /** What every load by a policy needs. */
  policy:
    /^(entries\/(advisory|journal|monitor)|journal\/(recording\/record-verdict|writing\/keys\/token-key)|attestation\/(statement|kinds\/kinds)|policy\/(compile-policy|judge|advisories\/following\/(advised|tuf-feed)|attestations\/judge-attestations|expectations|checking\/findings|revocations\/(revoked-signer|revoked-package)))$/,
}
export const fewChunks: Plugin = {
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
