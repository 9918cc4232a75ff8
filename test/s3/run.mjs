// npm run test:s3: builds a real object store, then runs test/s3/*.test.ts against it.
import { root, run } from '../interop/environment.mjs'
import { BINARIES, setupS3 } from './setup.mjs'

setupS3()
const reports = ['--reporter=./scripts/reporter.mjs', '--reporter=default', '--outputFile=.cache/reports/s3.json']
run('vitest', ['run', '--config', 'test/s3/vitest.config.ts', ...reports], { S3_BINARIES: BINARIES })
