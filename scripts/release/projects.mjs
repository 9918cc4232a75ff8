// New projects that install the packages from a registry, as users do, and run the examples.
import { cpSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pnpm, run, yarn } from './programs.mjs'

/** Each writes the registry where its package manager looks for it, and installs. */
const MANAGERS = {
  npm(directory, registry) {
    writeFileSync(join(directory, '.npmrc'), `registry=${registry}\n`)
    return run(directory, 'npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], environment())
  },
  pnpm(directory, registry) {
    writeFileSync(join(directory, '.npmrc'), `registry=${registry}\n`)
    writeFileSync(join(directory, 'pnpm-workspace.yaml'), 'minimumReleaseAge: 0\n')
    return pnpm(directory, ['install', '--no-frozen-lockfile', '--ignore-scripts'], environment())
  },
  yarn(directory, registry) {
    const settings = {
      npmRegistryServer: registry,
      unsafeHttpWhitelist: ['127.0.0.1'],
      nodeLinker: 'node-modules',
      enableTelemetry: false,
      enableScripts: false,
      npmMinimalAgeGate: 0,
      // On by default in CI, where yarn would refuse to write the first lockfile.
      enableImmutableInstalls: false,
      // Its metadata would be that of the registry that had this port before.
      globalFolder: join(directory, '.yarn/global'),
      enableGlobalCache: false,
    }
    writeFileSync(join(directory, '.yarnrc.yml'), JSON.stringify(settings))
    writeFileSync(join(directory, 'yarn.lock'), '')
    return yarn(directory, ['install'], environment())
  },
}

export const PACKAGE_MANAGERS = Object.keys(MANAGERS)

/** The programs of `examples/` that need nothing but the packages, a runtime and the models that npm has. */
export const EXAMPLES = ['onnx.mjs', 'onnx.cjs', 'tfjs.mjs', 'register.mjs']

/** Runtimes and models of the examples. They are large, and not what is tested, so they are linked from the workspace. */
const LINKED = ['onnxruntime-node', '@tensorflow/tfjs', '@ricky0123/vad-web', '@vladmandic/human']

/**
 * Makes a project with the examples, and installs the packages into it.
 *
 * @param root directory of the workspace
 * @param {{ manager: string, directory: string, registry: string, packages: Record<string, string> }} project packages: versions by name
 */
export async function makeProject(root, { manager, directory, registry, packages }) {
  mkdirSync(directory, { recursive: true })
  const manifest = {
    name: 'project',
    private: true,
    type: 'module',
    dependencies: packages,
    ...(manager === 'yarn' && { resolutions: withoutOtherPlatforms(root) }),
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest))
  await MANAGERS[manager](directory, registry)
  for (const name of readdirSync(join(root, 'examples')))
    if (name !== 'node_modules' && name !== 'package.json')
      cpSync(join(root, 'examples', name), join(directory, name), { recursive: true })
  for (const name of LINKED) {
    const place = join(directory, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(realpathSync(join(root, 'examples/node_modules', name)), place, 'junction')
  }
}

/** Yarn wants every package of another platform to exist. Not every mirror has those that it was never asked for. */
function withoutOtherPlatforms(root) {
  const file = join(root, 'packages/core/node_modules/@napi-rs/blake-hash/package.json')
  const { optionalDependencies } = JSON.parse(readFileSync(file, 'utf8'))
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  const others = Object.entries(optionalDependencies).filter(
    ([name, version]) => !lockfile.includes(`'${name}@${version}':`),
  )
  return Object.fromEntries(others.map(([name]) => [name, 'link:./other-platform']))
}

/** @returns {Promise<string>} what the example prints */
export function runExample(directory, example) {
  return run(directory, process.execPath, [example], environment())
}

/** Without the settings of the package manager that runs this program. */
function environment() {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(npm|pnpm|yarn)_/i.test(name) && name !== 'NODE_PATH',
  )
  return { ...Object.fromEntries(entries), NO_COLOR: '1' }
}
