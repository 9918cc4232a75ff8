// Sets up real TensorFlow.js for Node. Its own install script downloads libtensorflow from outside
// the registries; this script takes the library from the wheel on PyPI, and compiles the addon from
// the source in the npm package. The result is cached in .cache/tfjs-node. Works only on Linux on x64
// with Node 22; elsewhere it says so.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, '../../.cache/tfjs-node')
const addons = join(cache, 'lib/napi-v8')
const stamp = join(cache, 'installed.txt')
const PNPM = 'pnpm@12.21.0'

/** @returns why tfjs-node cannot be set up here; undefined if it is ready */
export function setup() {
  const reason = unsupported()
  if (reason !== undefined) return reason
  installPackages()
  const packages = createRequire(join(here, 'package.json'))
  const tfjsNode = dirname(packages.resolve('@tensorflow/tfjs-node/package.json'))
  const headers = join(dirname(packages.resolve('node-api-headers/package.json')), 'include')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== inputs(tfjsNode)) {
    rmSync(cache, { recursive: true, force: true })
    takeLibrary()
    compile(tfjsNode, headers)
    writeFileSync(stamp, inputs(tfjsNode))
  }
  link(join(cache, 'lib'), join(tfjsNode, 'lib'))
  return undefined
}

function unsupported() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `not for ${process.platform} on ${process.arch}`
  const [major] = process.versions.node.split('.')
  return major === '22' ? undefined : `not for Node ${major}`
}

/** Separate from the workspace, and without install scripts (pnpm-workspace.yaml). */
function installPackages() {
  run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--silent'], { cwd: here, env: { CI: 'true' } })
}

function takeLibrary() {
  const environment = join(cache, 'venv')
  const python = join(environment, 'bin/python')
  const wheels = join(cache, 'wheels')
  mkdirSync(cache, { recursive: true })
  run('python3', ['-m', 'venv', environment])
  console.log('Downloading libtensorflow (214 MB) ...')
  const platform = ['--platform', 'manylinux2014_x86_64', '--python-version', '3.11']
  const abi = ['--implementation', 'cp', '--abi', 'cp311', '--only-binary', ':all:', '--no-deps']
  const pinned = ['--require-hashes', '--requirement', join(here, 'requirements.txt')]
  const quiet = ['--quiet', '--disable-pip-version-check']
  run(python, ['-m', 'pip', 'download', ...quiet, ...platform, ...abi, ...pinned, '--dest', wheels])
  const wheel = readdirSync(wheels).find((name) => name.endsWith('.whl'))
  run(python, [join(here, 'extract_wheel.py'), join(wheels, wheel), cache])
  rmSync(wheels, { recursive: true })
  rmSync(environment, { recursive: true })
}

function compile(tfjsNode, headers) {
  console.log('Compiling tfjs_binding.node ...')
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(tfjsNode, 'binding', name))
  const includes = [tfjsNode, join(cache, 'include'), headers].flatMap((path) => ['-I', path])
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => join(addons, name))
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-Wl,-rpath,$ORIGIN']
  run('g++', [...flags, ...includes, ...sources, ...libraries, '-o', join(addons, 'tfjs_binding.node')])
}

/** The cached build is valid for these versions. */
function inputs(tfjsNode) {
  const { version } = JSON.parse(readFileSync(join(tfjsNode, 'package.json'), 'utf8'))
  const scripts = ['requirements.txt', 'extract_wheel.py', 'setup.mjs'].map((name) => readFileSync(join(here, name)))
  return `tfjs-node ${version} ${createHash('sha256').update(Buffer.concat(scripts)).digest('hex')}\n`
}

function link(target, path) {
  rmSync(path, { recursive: true, force: true })
  symlinkSync(target, path)
}

function run(command, args, { cwd = here, env = {} } = {}) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const reason = setup()
  console.log(reason === undefined ? 'tfjs-node: ready.' : `tfjs-node: skipped, ${reason}.`)
}
