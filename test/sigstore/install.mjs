// Installs the servers of a Sigstore instance into .cache/sigstore.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installGoPrograms } from '../support/go-programs.mjs'

/** Contains bundles that the public-good instance signed (Apache-2.0). With its checksum, as in `go.sum`. */
const BUNDLES = 'github.com/sigstore/sigstore-go@v1.1.4'
const BUNDLES_SUM = 'h1:wTTsgCHOfqiEzVyBYA6mDczGtBkN7cM8mPpjJj5QvMg='
const PROVENANCE = 'pkg/testing/data/bundles/sigstore.js@2.0.0-provenance.sigstore.json'

/** Later versions require a newer Go than 1.26. */
const MODULES = {
  fulcio: 'github.com/sigstore/fulcio@v1.8.8',
  posix: 'github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix@v2.3.0',
  'timestamp-server': 'github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server@v2.1.3',
}

export const BINARIES = fileURLToPath(new URL('../../.cache/sigstore/bin/', import.meta.url))

/** The provenance of an npm package, signed by its workflow through the public-good instance. */
export const PUBLIC_GOOD_BUNDLE = fileURLToPath(new URL('../../.cache/sigstore/public-good.json', import.meta.url))

/** @returns true if all servers and the bundle are installed */
export function install() {
  return installGoPrograms(MODULES, BINARIES) && installBundle()
}

function installBundle() {
  if (existsSync(PUBLIC_GOOD_BUNDLE)) return true
  const { status, stdout } = spawnSync('go', ['mod', 'download', '-json', BUNDLES], { encoding: 'utf8', cwd: tmpdir() })
  const { Dir: directory, Sum: sum } = status === 0 ? JSON.parse(stdout) : {}
  if (sum !== BUNDLES_SUM) {
    console.error(`${BUNDLES} cannot be had, or is not what it was: ${sum ?? stdout}`)
    return false
  }
  writeFileSync(PUBLIC_GOOD_BUNDLE, readFileSync(join(directory, PROVENANCE)))
  return true
}
