// npm run test:fleet: runs test/fleet/*.test.ts against a real Redis, with workers in processes of their own.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '../interop/environment.mjs'
import { setupFleet } from './setup.mjs'

setupFleet()
mkdirSync(join(root, '.cache/reports'), { recursive: true })
const reports = ['--reporter=default', '--reporter=json', '--outputFile.json=.cache/reports/fleet.json']
run('vitest', ['run', '--config', 'test/fleet/vitest.config.ts', ...reports])
