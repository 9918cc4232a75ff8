// Sets up this machine for the tests of PKCS#11 signing: SoftHSM and OpenSC from the system's packages,
// the native addon of pkcs11js, and modules that misbehave. The results are cached in .cache/pkcs11.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, '../../.cache/pkcs11')
const require = createRequire(import.meta.url)
const addonSource = dirname(require.resolve('pkcs11js/package.json'))
const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include')
const { version } = JSON.parse(readFileSync(join(addonSource, 'package.json'), 'utf8'))

/** Where distributions install SoftHSM: Debian, Fedora, Arch, Homebrew. */
const SOFTHSM = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib/pkcs11/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]
const FAULTS = ['locked', 'broken-signature', 'bare-point', 'device-error']

mkdirSync(cache, { recursive: true })
installSoftHsm()
const softHsm = SOFTHSM.find((path) => existsSync(path)) ?? fail('SoftHSM is installed, but its module was not found.')
buildAddon()
for (const fault of FAULTS) buildFaultyModule(fault)
// Written last, because the tests run only if it exists.
link(softHsm, join(cache, 'libsofthsm2.so'))
console.log('PKCS#11: ready.')

function installSoftHsm() {
  if (has('softhsm2-util') && has('pkcs11-tool')) return
  if (process.getuid?.() !== 0 || !has('apt-get')) fail('Install SoftHSM 2 and OpenSC (Debian: softhsm2, opensc).')
  console.log('Installing softhsm2 and opensc ...')
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'softhsm2', 'opensc'])
}

/** Compiles the package from the source and headers that the lockfile pins. */
function buildAddon() {
  const addon = join(cache, `pkcs11js-${version}-${process.platform}-${process.arch}.node`)
  const sources = ['dl.cpp', 'common.cpp', 'main.cpp'].map((name) => join(addonSource, 'src', name))
  const undefinedSymbols = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
  compile(addon, ['-DNODE_GYP_MODULE_NAME=pkcs11', '-I', headers, ...undefinedSymbols, ...sources])
  const release = join(addonSource, 'build/Release')
  mkdirSync(release, { recursive: true })
  link(addon, join(release, 'pkcs11.node'))
}

function buildFaultyModule(fault) {
  const define = `-DFAULT_${fault.toUpperCase().replace('-', '_')}`
  compile(join(cache, `${fault}.so`), [define, `-DSOFTHSM="${softHsm}"`, join(here, 'faulty-module.cpp')])
}

function compile(target, args) {
  const sources = args.filter((arg) => arg.endsWith('.cpp'))
  const newest = readFileSync(sources.at(-1), 'utf8')
  const stamp = `${target}.source`
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === newest) return
  console.log(`Compiling ${target.slice(cache.length + 1)} ...`)
  const flags = ['-shared', '-fPIC', '-O1', '-std=c++17', '-I', join(addonSource, 'includes')]
  run('g++', [...flags, ...args, '-ldl', '-o', `${target}.new`])
  renameSync(`${target}.new`, target)
  run('cp', [sources.at(-1), stamp])
}

function link(target, path) {
  rmSync(path, { force: true })
  symlinkSync(target, path)
}

function has(command) {
  return !spawnSync(command, ['--version'], { stdio: 'ignore' }).error
}

function run(command, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (status !== 0) fail(`"${command}" failed.\n${stdout ?? ''}${stderr ?? ''}${error ?? ''}`)
}

function fail(why) {
  console.error(why)
  process.exit(1)
}
