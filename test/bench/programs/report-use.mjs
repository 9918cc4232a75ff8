// Preloaded into a program that is measured: leaves its processor time in milliseconds and the most memory it had resident, in mebibytes.
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const path = process.env.MODELSEAL_BENCH_USE
if (isMainThread && path)
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
    writeFileSync(path, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1_000, mebibytes: maxRSS / 1_024 }))
  })
