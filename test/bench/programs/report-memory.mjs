// Preloaded into a program that is measured: leaves the most memory it had resident, in megabytes.
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const path = process.env.MODELSEAL_BENCH_MEMORY
if (isMainThread && path)
  process.on('exit', () => writeFileSync(path, String((process.resourceUsage().maxRSS * 1024) / 1e6)))
