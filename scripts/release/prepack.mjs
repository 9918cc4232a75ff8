// Before `npm pack` in a package: adds the pages that its README links to (packed-docs.mjs). With --undo, afterwards: removes
// them, and restores the README of the repository.
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { packedDocs } from './packed-docs.mjs'

const directory = process.cwd()
const root = dirname(dirname(directory))
const saved = join(root, '.cache/prepack', `${basename(directory)}.md`)

// If packing was interrupted, the README of the repository is still set aside.
restore()
if (!process.argv.includes('--undo')) {
  mkdirSync(dirname(saved), { recursive: true })
  copyFileSync('README.md', saved)
  for (const [path, text] of packedDocs(root, basename(directory))) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

function restore() {
  for (const path of ['docs', 'SECURITY.md']) rmSync(path, { recursive: true, force: true })
  if (!existsSync(saved)) return
  renameSync(saved, 'README.md')
}
