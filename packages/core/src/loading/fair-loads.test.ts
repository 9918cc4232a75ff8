import { randomBytes } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { hashFiles } from '../hashing/hash-files.ts'
import { closeHashPool, configureHashing } from '../hashing/pool.ts'
import type { ThreadPool } from '../hashing/threads/program-threads.ts'
import { jobsOf } from '../testing/hash-jobs.ts'
import { scratch } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import { openVerifiedModel } from './open-verified-model.ts'

const MIB = 1024 ** 2

afterEach(async () => {
  configureHashing()
  await closeHashPool()
})

test.each([2, 12])('a model of %i MiB is loaded while one of 100 GiB keeps all threads busy', async (mib) => {
  const site = await TestSite.make()
  onTestFinished(() => site.remove())
  await site.key('a')
  await site.model('small')
  writeFileSync(site.file('small/weights.bin'), randomBytes(mib * MIB))
  await site.sign('small', 'a')
  const policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
  })

  // No thread of this pool ever answers while the test runs.
  const ends: ((error: Error) => void)[] = []
  const run = vi.fn(() => new Promise<unknown>((_, reject) => ends.push(reject)))
  configureHashing({ pool: { maxThreads: 2, run } satisfies ThreadPool })
  const large = scratch({ 'weights.bin': '' })
  truncateSync(join(large, 'weights.bin'), 100 * 1024 ** 3)
  const stop = new AbortController()
  const stopLoading = () => {
    stop.abort()
    for (const end of ends) end(new Error('The test is over'))
  }
  onTestFinished(stopLoading)
  let isLoading = true
  const loading = hashFiles(await jobsOf(large), { hashType: 'sha256', signal: stop.signal })
    .catch((error: unknown) => error)
    .finally(() => (isLoading = false))
  expect(run).toHaveBeenCalled()

  const model = await openVerifiedModel(site.file('small'), { policy })
  await model.close()
  expect(model.decision).toBe('accepted')
  expect(isLoading).toBe(true)

  stopLoading()
  expect(await loading).toMatchObject({ code: 'ABORTED' })
})
