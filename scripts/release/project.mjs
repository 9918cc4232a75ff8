// node scripts/release/project.mjs: writes the addresses in scripts/project.json into the package.json of every package. An
// address that is empty there is left out, because an invented one could be registered by somebody else.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ADDRESSES = new Set(['repository', 'homepage', 'bugs'])

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeAddresses(join(import.meta.dirname, '../..'))

function writeAddresses(root) {
  const project = readProject(root)
  for (const name of readdirSync(join(root, 'packages'))) {
    const file = join(root, 'packages', name, 'package.json')
    const manifest = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(file, `${JSON.stringify(withAddresses(manifest, project, `packages/${name}`), null, 2)}\n`)
  }
}

/** @returns {{ repository: string, homepage: string, bugs: string }} */
export function readProject(root) {
  return JSON.parse(readFileSync(join(root, 'scripts/project.json'), 'utf8'))
}

/** The manifest with these addresses after its license, and no others. */
export function withAddresses(manifest, { repository, homepage, bugs }, directory) {
  const addresses = {
    ...(homepage && { homepage }),
    ...(bugs && { bugs: { url: bugs } }),
    ...(repository && { repository: { type: 'git', url: repository, directory } }),
  }
  const entries = Object.entries(manifest).filter(([name]) => !ADDRESSES.has(name))
  const place = entries.findIndex(([name]) => name === 'license') + 1
  return Object.fromEntries(entries.toSpliced(place, 0, ...Object.entries(addresses)))
}
