// Tells whether the packages were already built from the files that are here, so that set-up does not build them again.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Everything that the build reads, apart from Node.js and the packages of the lockfile. */
const INPUTS = ['package.json', 'pnpm-lock.yaml', 'tsconfig.json', 'tsup.config.ts', 'build']
const INPUTS_OF_PACKAGE = ['package.json', 'LICENSE', 'src', 'tsup.config.ts']

/** True if neither the inputs nor the results have changed since {@link recordBuild}. */
export function isBuilt(root) {
  const stamp = stampOf(root)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === stateOf(root)
}

export function recordBuild(root) {
  mkdirSync(dirname(stampOf(root)), { recursive: true })
  writeFileSync(stampOf(root), stateOf(root))
}

function stampOf(root) {
  return join(root, '.cache/build.txt')
}

/** Digests of the content of the inputs, and of the names, sizes and times of the results. */
function stateOf(root) {
  const packages = ['actions', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)]
  const inputs = createHash('sha256')
  for (const path of [...INPUTS, ...packages.flatMap((name) => INPUTS_OF_PACKAGE.map((input) => `${name}/${input}`))])
    for (const file of filesIn(root, path)) inputs.update(`${file}\0`).update(readFileSync(join(root, file)))
  const results = createHash('sha256')
  for (const name of [...packages, 'actions/sign', 'actions/verify'])
    for (const file of filesIn(root, `${name}/dist`)) {
      const { size, mtimeMs } = statSync(join(root, file))
      results.update(`${file}\0${size}\0${mtimeMs}\n`)
    }
  return `${inputs.digest('hex')} ${results.digest('hex')}\n`
}

/** The files below a path, by name, or the file itself; none if it does not exist. */
function filesIn(root, path) {
  const found = statSync(join(root, path), { throwIfNoEntry: false })
  if (!found?.isDirectory()) return found ? [path] : []
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesIn(root, `${path}/${name}`))
}
