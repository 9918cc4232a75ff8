// npm run test:fleet: runs test/fleet/*.test.ts against a real Redis and an object store, with workers in processes of their own.
import { root, run } from '../interop/environment.mjs'
import { BINARIES, setupS3 } from '../s3/setup.mjs'
import { setupFleet } from './setup.mjs'

setupFleet()
setupS3()
const reports = ['--reporter=./scripts/reporter.mjs', '--reporter=default', '--outputFile=.cache/reports/fleet.json']
run('vitest', ['run', '--config', 'test/fleet/vitest.config.ts', ...reports], { S3_BINARIES: BINARIES })
