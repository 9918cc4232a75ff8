// Sets up this machine for the attacks that trace which files the runtime opens: installs strace from
// the system's packages, unless it is already installed.
import { spawnSync } from 'node:child_process'

if (process.platform !== 'linux') end(0, 'Attacks: which files the runtime opens is seen on Linux only.')
if (!succeeds('strace', ['-V'])) install()
if (!succeeds('strace', ['-o', '/dev/null', 'true'])) {
  end(0, 'Attacks: processes cannot be traced here (ptrace is not allowed); the random ONNX models are skipped.')
}
console.log('Attacks: ready.')

function install() {
  if (process.getuid?.() !== 0 || !succeeds('apt-get', ['--version'])) end(1, 'Install strace.')
  console.log('Installing strace ...')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'strace'],
  ]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { encoding: 'utf8', env })
    if (status !== 0) end(1, `apt-get ${args.join(' ')} failed.\n${stdout}${stderr}`)
  }
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function end(status, what) {
  console[status === 0 ? 'log' : 'error'](what)
  process.exit(status)
}
