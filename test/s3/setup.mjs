// npm run setup:s3: builds an object store with the API of S3 in .cache/s3. What is there is kept.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../interop/environment.mjs'
import { installGoPrograms } from '../support/go-programs.mjs'

export const BINARIES = join(root, '.cache/s3/bin')

const MODULES = { versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0' }

/** Ends the process if it cannot be built: skipping the tests would defeat their purpose. */
export function setupS3() {
  if (!installGoPrograms(MODULES, BINARIES)) process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setupS3()
