// npm run test:hubs: sets up real registries and clients, then runs test/hubs/*.test.ts against them.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '../interop/environment.mjs'
import { BINARIES, setupHubs } from './setup.mjs'

const python = setupHubs()
mkdirSync(join(root, '.cache/reports'), { recursive: true })
const reports = ['--reporter=default', '--reporter=json', '--outputFile.json=.cache/reports/hubs.json']
run('vitest', ['run', '--config', 'test/hubs/vitest.config.ts', ...reports], {
  HUBS_PYTHON: python,
  HUBS_BINARIES: BINARIES,
})
