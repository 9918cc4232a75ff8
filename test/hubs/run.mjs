// npm run test:hubs: sets up real registries and clients, then runs test/hubs/*.test.ts against them.
import { root, run } from '../interop/environment.mjs'
import { BINARIES, setupHubs } from './setup.mjs'

const python = setupHubs()
const reports = ['--reporter=./scripts/reporter.mjs', '--reporter=default', '--outputFile=.cache/reports/hubs.json']
run('vitest', ['run', '--config', 'test/hubs/vitest.config.ts', ...reports], {
  HUBS_PYTHON: python,
  HUBS_BINARIES: BINARIES,
})
