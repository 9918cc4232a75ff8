// npm run release:version: gives all packages the version that the changesets ask for, and writes the changelogs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { collectedChangelog } from './changelog.mjs'
import { manifestOf, publishedPackages } from './packed-docs.mjs'
import { pnpm, run } from './programs.mjs'

/** Journals name the version that wrote them, and the core cannot read its package.json when it is bundled. */
const CONSTANT = 'packages/core/src/journal/writing/segments/segment-record.ts'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  console.log(`The packages have the version ${await setVersion(join(import.meta.dirname, '../..'))}.`)

/**
 * @param root directory of the workspace
 * @returns {Promise<string>} the new version
 */
export async function setVersion(root) {
  const before = manifestOf(root, 'core').version
  await run(root, process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'version'])
  const { version } = manifestOf(root, 'core')
  const source = readFileSync(join(root, CONSTANT), 'utf8')
  const line = `export const VERSION = '${before}'`
  if (!source.includes(line)) throw new Error(`Cannot set the version: ${CONSTANT} does not contain "${line}".`)
  writeFileSync(join(root, CONSTANT), source.replace(line, `export const VERSION = '${version}'`))
  // The lockfile has the versions by which the packages name each other.
  await pnpm(root, ['install', '--lockfile-only', '--prefer-offline', '--no-frozen-lockfile'])
  writeFileSync(join(root, 'CHANGELOG.md'), collectedChangelog(changelogsIn(root)))
  return version
}

function changelogsIn(root) {
  return publishedPackages(root).flatMap((name) => {
    const file = join(root, 'packages', name, 'CHANGELOG.md')
    return existsSync(file) ? [{ name: manifestOf(root, name).name, text: readFileSync(file, 'utf8') }] : []
  })
}
