// npm run test:fleet: runs test/fleet/*.test.ts against a real Redis, with workers in processes of their own.
import { root, run } from '../interop/environment.mjs'
import { setupFleet } from './setup.mjs'

setupFleet()
const reports = ['--reporter=./scripts/reporter.mjs', '--reporter=default', '--outputFile=.cache/reports/fleet.json']
run('vitest', ['run', '--config', 'test/fleet/vitest.config.ts', ...reports])
