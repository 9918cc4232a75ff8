// Installs the servers of a Sigstore instance into .cache/sigstore: ordinary Go modules, by name and
// pinned version. What is there already stays.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Later versions want a newer Go than 1.26. */
const MODULES = {
  fulcio: 'github.com/sigstore/fulcio@v1.8.8',
  posix: 'github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix@v2.3.0',
  'timestamp-server': 'github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server@v2.1.3',
}

export const BINARIES = fileURLToPath(new URL('../../.cache/sigstore/bin/', import.meta.url))

/** @returns true where every server is there */
export function install() {
  mkdirSync(BINARIES, { recursive: true })
  return Object.entries(MODULES).every(([name, module]) => {
    const [binary, stamp] = [join(BINARIES, name), join(BINARIES, `${name}.version`)]
    if (existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === module) return true
    console.log(`Installing ${module} …`)
    const env = { ...process.env, GOBIN: BINARIES, GOTOOLCHAIN: 'local' }
    const { status, error } = spawnSync('go', ['install', module], { stdio: 'inherit', env })
    if (error) console.error('Go is needed for this: it builds the servers.')
    if (status === 0) writeFileSync(stamp, module)
    return status === 0
  })
}
