// Finds programs on this machine to compare with. Installs only the reference tool, with the set-up of
// the interoperation tests, and only if Python is available.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { referencePython } from '../interop/environment.mjs'
import { data } from './data.mjs'

function found(command, args = ['--version']) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? { command, version: stdout.split('\n')[0] ?? '' } : undefined
}

function reference() {
  if (!found('python3')) return undefined
  return found(join(referencePython(), '..', 'model_signing'))
}

const b3sum = join(data, 'tools/bin/b3sum') // where `cargo install b3sum --root .cache/bench/tools` puts it

export const tools = {
  openssl: found('openssl', ['version']),
  sha256sum: found('sha256sum'),
  b3sum: existsSync(b3sum) ? found(b3sum) : found('b3sum'),
  cat: found('cat'),
  dd: found('dd'),
  model_signing: reference(),
}
