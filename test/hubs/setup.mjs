// npm run setup:hubs: builds registries and their clients, and installs the Python client of Hugging Face, in .cache/hubs.
// What is there is kept.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonWith, root } from '../interop/environment.mjs'
import { buildGoProgram, installGoPrograms } from '../support/go-programs.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const directory = join(root, '.cache/hubs')

export const BINARIES = join(directory, 'bin')

/** Later versions may require a newer Go than 1.26. */
const MODULES = {
  cosign: 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3',
  crane: 'github.com/google/go-containerregistry/cmd/crane@v0.22.1',
  oras: 'oras.land/oras/cmd/oras@v1.3.6',
  registry: 'github.com/distribution/distribution/v3/cmd/registry@v3.1.2',
}

/** Ends the process if something cannot be installed: skipping the tests would defeat their purpose. */
export function setupHubs() {
  const source = join(here, 'registry')
  const version = ['go.mod', 'main.go'].map((name) => readFileSync(join(source, name), 'utf8')).join('')
  const isBuilt =
    buildGoProgram(join(BINARIES, 'referrers-registry'), source, version) && installGoPrograms(MODULES, BINARIES)
  if (!isBuilt) process.exit(1)
  return pythonWith(join(here, 'requirements.txt'), join(directory, 'python'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setupHubs()
