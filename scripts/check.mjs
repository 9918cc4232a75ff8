// Every check of the workspace, one after the other; all run, even after one has failed. The test
// runner leaves its report in .cache/reports, where scripts/count.mjs adds up.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'

const REPORTS = '.cache/reports'
rmSync(REPORTS, { recursive: true, force: true })
mkdirSync(REPORTS, { recursive: true })

const published = readdirSync('packages').filter((name) => !manifest(name).private)
const libraries = published.filter((name) => manifest(name).exports)

const checks = [
  ['formatting', 'prettier', ['--check', '--log-level', 'warn', '.']],
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['lint', 'eslint', ['.']],
  ...published.map((name) => [`publint ${name}`, 'publint', ['--strict', '--pack', 'npm', `packages/${name}`]]),
  ...libraries.map((name) => [`types as published, ${name}`, 'attw', ['--pack', `packages/${name}`, '--quiet']]),
  ['tests', 'vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${REPORTS}/vitest.json`]],
]

const failed = checks.filter(([what, command, args]) => {
  console.log(`\n== ${what}`)
  return spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0
})

console.log('\nTensorFlow.js was tested as @tensorflow/tfjs; "npm run test:tfjs-node" tests with the native tfjs-node.')
console.log(failed.length === 0 ? '\nAll checks passed.' : `\nFailed: ${failed.map(([what]) => what).join(', ')}.`)
process.exitCode = failed.length === 0 ? 0 : 1

function manifest(name) {
  return JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8'))
}
