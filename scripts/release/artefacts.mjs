// npm run release:artefacts -- DIRECTORY [--private-key KEY]: packs the built packages. For each tarball, a directory gets its bill
// of materials, its provenance, and a bundle that signs all three with the key. Without a key, they are not signed yet: the job of the
// release that signs installs and builds nothing.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { keySigner, signModel } from '../../packages/core/dist/signing.js'
import { digestsOf } from './digests.mjs'
import { packAll } from './pack.mjs'
import { provenanceOf } from './provenance.mjs'
import { sbomOf } from './sbom.mjs'

const isProgram = import.meta.url === pathToFileURL(process.argv[1] ?? '').href
if (isProgram) await main()

async function main() {
  const { values, positionals } = parseArgs({ options: { 'private-key': { type: 'string' } }, allowPositionals: true })
  if (positionals.length !== 1) throw new Error('Cannot make the release: expected one argument, its directory.')
  const key = values['private-key']
  const signer = key === undefined ? undefined : await keySigner({ privateKey: key })
  const made = await makeArtefacts(join(import.meta.dirname, '../..'), positionals[0], signer)
  for (const { name, version, directory } of made) console.log(`${name} ${version}: ${directory}`)
}

/**
 * @param root directory of the workspace, whose packages are built
 * @param destination gets a directory for each tarball
 * @param signer signs what is in each directory, unless it is undefined
 */
export async function makeArtefacts(root, destination, signer) {
  const made = []
  for (const { directory: name, tarball, ...packed } of await packAll(root, destination)) {
    const { directory, files } = placesOf(destination, packed.name, packed.version)
    mkdirSync(directory, { recursive: true })
    renameSync(tarball, files.tarball)
    const { sha256, sha512 } = digestsOf(readFileSync(files.tarball))
    writeFileSync(files.sbom, sbomOf(root, name, sha512))
    writeFileSync(files.provenance, provenanceOf(root, { tarball: basename(tarball), sha256, sha512 }, process.env))
    if (signer) await signModel(directory, { signer, signature: files.bundle })
    made.push({ ...packed, directory })
  }
  return made
}

/** Where the files of a tarball are in the directory of a release. */
export function placesOf(release, name, version) {
  const stem = `${name.replace('@', '').replace('/', '-')}-${version}`
  const directory = join(release, stem)
  const file = (ending) => join(directory, `${stem}${ending}`)
  return {
    directory,
    files: {
      tarball: file('.tgz'),
      sbom: file('.cdx.json'),
      provenance: file('.provenance.json'),
      bundle: join(directory, 'model.sig'),
    },
  }
}
