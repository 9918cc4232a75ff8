// npm run test:jest: runs loads.test.cjs in Jest 29 and 30, which evaluate the packages in a realm of their own.
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core'

const PNPM = 'pnpm@12.21.0'
const root = join(import.meta.dirname, '../..')
const packages = createRequire(import.meta.url)

run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--silent'])
const work = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-jest-')))
try {
  await makeModels()
  for (const release of ['29', '30']) testIn(release)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** One model that is as it was signed, and one whose weights changed since. */
async function makeModels() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = (key, type) => key.export({ type, format: 'pem' })
  const key = join(work, 'release.key')
  writeFileSync(key, pem(privateKey, 'pkcs8'))
  writeFileSync(join(work, 'release.pub'), pem(publicKey, 'spki'))
  writeFileSync(
    join(work, 'modelseal.policy.yaml'),
    `version: 1
trustRoots: { release: { publicKey: ./release.pub } }
rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]
`,
  )
  const example = createRequire(join(root, 'examples/package.json'))
  const model = example.resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx')
  for (const name of ['good', 'changed']) {
    mkdirSync(join(work, name))
    cpSync(model, join(work, name, 'model.onnx'))
    writeFileSync(join(work, name, 'config.json'), '{"rate":16000}')
    await signModel(join(work, name), { signer: await keySigner({ privateKey: key }) })
  }
  writeFileSync(join(work, 'changed/config.json'), '{"rate":8000}')
}

function testIn(release) {
  const jest = join(packages.resolve(`jest-${release}/package.json`), '../bin/jest.js')
  const report = join(root, `.cache/reports/jest-${release}.json`)
  mkdirSync(join(root, '.cache/reports'), { recursive: true })
  const config = JSON.stringify({ rootDir: import.meta.dirname, testMatch: ['**/*.test.cjs'], transform: {} })
  const { status } = spawnSync(process.execPath, [jest, '--config', config, '--json', '--outputFile', report], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, MODELS: work, MODELSEAL_POLICY: join(work, 'modelseal.policy.yaml') },
  })
  if (status !== 0) process.exitCode = 1
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: { ...process.env, CI: 'true' },
  })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}
