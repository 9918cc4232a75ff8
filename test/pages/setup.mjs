// Sets up this machine for the tests of pages: installs Chromium from the system's packages, unless it is already installed.
import { spawnSync } from 'node:child_process'

if (!succeeds('chromium', ['--version'])) install()
console.log('Pages: ready.')

function install() {
  if (process.getuid?.() !== 0 || !succeeds('apt-get', ['--version'])) fail('Install Chromium (Debian: chromium).')
  console.log('Installing Chromium ...')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'chromium'],
  ]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { encoding: 'utf8', env })
    if (status !== 0) fail(`apt-get ${args.join(' ')} failed.\n${stdout}${stderr}`)
  }
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function fail(what) {
  console.error(what)
  process.exit(1)
}
