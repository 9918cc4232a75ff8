import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { sha256 } from '../../../core/src/testing/bundles.ts'
import { readJob, writeJob, type Job } from '../jobs/job.ts'
import { jobsOf } from '../jobs/split.ts'
import { authenticResult } from '../results/result.ts'
import { WorkerSecrets } from '../results/worker-secrets.ts'
import { fileOnDisk, models, workerKey } from '../testing/models.ts'
import { JobPerformer } from './job-performer.ts'
import { checkReadable, checkRoots } from './readable.ts'

const key = workerKey('one')
const secrets = new WorkerSecrets([key])

function jobOn(...paths: string[]) {
  const [job] = jobsOf(paths.map(fileOnDisk), undefined)
  return job ?? expect.fail('no job')
}

test('a worker hashes files on disk', async () => {
  const root = models('vad')
  const job = jobOn(join(root, 'vad/config.json'), join(root, 'vad/weights.bin'))
  const performer = new JobPerformer(key, { roots: [root], urls: [] })
  const result = authenticResult(await performer.perform(job, undefined), job, secrets)
  expect(result).toMatchObject({ digests: [sha256('{"name":"vad"}'), sha256('weights of vad')] })
})

test('a worker refuses what it may not read', async () => {
  const job = jobOn(join(models('vad'), 'vad/weights.bin'))
  const performer = new JobPerformer(key, { roots: [scratch()], urls: [] })
  const result = authenticResult(await performer.perform(job, undefined), job, secrets)
  expect(result).toMatchObject({ refusal: { code: 'FLEET_JOB' }, digests: [] })
})

test('a worker vouches for nothing about a job whose text it has not seen', async () => {
  const job = jobOn(join(models('vad'), 'vad/weights.bin'))
  const line = await new JobPerformer(key, undefined).perform({ id: job.id, text: '{}' }, undefined)
  expect(authenticResult(line, job, secrets)).toBe('it is about another job')
})

test('a worker refuses a file in another state, and one of a source that it does not know', async () => {
  const root = models('vad')
  const good = jobOn(join(root, 'vad/weights.bin'))
  const job = readJob(good)
  const performer = new JobPerformer(key, undefined)
  const codeFor = async (changed: Job) => {
    const written = writeJob(changed)
    const result = authenticResult(
      await performer.perform(written, undefined),
      { id: written.id, job: changed },
      secrets,
    )
    return typeof result === 'string' ? result : result.refusal?.code
  }
  expect(await codeFor({ ...job, files: job.files.map((file) => ({ ...file, version: '1-2-3-4' })) })).toBe(
    'FILE_CHANGED',
  )
  expect(await codeFor({ ...job, source: 'store://models/vad' })).toBe('SCHEME_UNKNOWN')
  await performer.close()
})

test('work that is broken off is no refusal', async () => {
  const job = jobOn(join(models('vad'), 'vad/weights.bin'))
  await expect(new JobPerformer(key, undefined).perform(job, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
})

describe('what a worker may read', () => {
  const of = (source: string): Job => ({
    v: 1,
    source,
    files: [{ name: 'a', size: 1, version: 'v', parts: [{ hashType: 'sha256', start: 0, end: 1 }] }],
  })

  test.each(['hf://acme/vad', 'hf://acme'])('includes %s', async (source) => {
    await expect(checkReadable(of(source), { roots: ['/'], urls: ['hf://acme'] })).resolves.toBeTypeOf('function')
  })

  test.each([
    'hf://acme-other/vad',
    'hf://acme/../other',
    'hf://acme/%2e%2E/other',
    'hf://acme/..%2Fother',
    'hf://acme/x%2f..%2f..%2fother',
    'hf://acme/.\t./other',
    'hf://acme/.\n./other',
    'hf://acme/..\\other',
    's3://acme/vad',
    'hf://acm',
  ])('excludes %s', async (source) => {
    await expect(checkReadable(of(source), { roots: ['/'], urls: ['hf://acme'] })).rejects.toEqual(refusal('FLEET_JOB'))
  })

  test('includes the other roots if one has gone away', async () => {
    const root = scratch({ inside: 'x' })
    const job = readJob(jobOn(join(root, 'inside')))
    const gone = join(root, 'gone')
    await expect(checkReadable(job, { roots: [gone, root], urls: [] })).resolves.toBeTypeOf('function')
    await expect(checkReadable(job, { roots: [gone], urls: [] })).rejects.toEqual(refusal('FLEET_JOB'))
  })

  test('excludes what links lead to, and relative paths', async () => {
    const root = scratch({ inside: 'x' })
    const outside = scratch({ secret: 'x' })
    symlinkSync(join(outside, 'secret'), join(root, 'link'))
    const readable = { roots: [root], urls: [] }
    await expect(checkReadable(readJob(jobOn(join(root, 'inside'))), readable)).resolves.toBeTypeOf('function')
    for (const name of [join(root, 'link'), join(outside, 'secret'), join(root, '../x'), 'inside', root]) {
      const job = readJob(jobOn(join(root, 'inside')))
      const changed = { ...job, files: job.files.map((file) => ({ ...file, name })) }
      await expect(checkReadable(changed, readable)).rejects.toEqual(refusal('FLEET_JOB', { file: name }))
    }
  })
})

test.each([
  ['is missing', 'gone'],
  ['is a file', 'file'],
])('a worker is not started with a root that %s', async (_, name) => {
  const root = scratch({ file: 'x' })
  await expect(checkRoots([root])).resolves.toBeUndefined()
  const file = join(root, name)
  await expect(checkRoots([root, file])).rejects.toEqual(refusal('INVALID_ARGUMENT', { file }))
})
