// node scripts/release/pack.mjs DIRECTORY: packs every built package as it is published.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { manifestOf, packedDocs, publishedPackages } from './packed-docs.mjs'
import { run } from './programs.mjs'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.length !== 3)
    throw new Error('Cannot pack the packages: expected one argument, the directory for the tarballs.')
  for (const { tarball } of await packAll(join(import.meta.dirname, '../..'), process.argv[2])) console.log(tarball)
}

/**
 * Packs all packages from copies, so that the workspace stays as it is.
 *
 * @param root directory of the workspace
 * @param destination directory for the tarballs
 */
export async function packAll(root, destination) {
  mkdirSync(destination, { recursive: true })
  return Promise.all(publishedPackages(root).map((name) => packPackage(root, name, destination)))
}

async function packPackage(root, name, destination) {
  const manifest = manifestOf(root, name)
  if (!existsSync(join(root, 'packages', name, 'dist')))
    throw new Error(`Cannot pack ${manifest.name}: it is not built. Run "npm run setup" first.`)
  const copy = mkdtempSync(join(tmpdir(), 'modelseal-pack-'))
  try {
    for (const file of ['package.json', 'LICENSE', ...manifest.files, ...Object.values(manifest.bin ?? {})]) {
      const from = join(root, 'packages', name, file)
      if (existsSync(from)) cpSync(from, join(copy, file), { recursive: true })
    }
    for (const [path, text] of packedDocs(root, name)) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      writeFileSync(join(copy, path), text)
    }
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', resolve(destination)]
    const stdout = await run(copy, 'npm', args)
    return {
      name: manifest.name,
      directory: name,
      version: manifest.version,
      tarball: join(destination, JSON.parse(stdout)[0].filename),
    }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
