import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { sha256 } from '../../../core/src/testing/bundles.ts'
import { scratch } from '../../../core/src/testing/scratch.ts'
import { writeJob, type Job } from '../jobs/job.ts'
import { authenticResult } from '../results/result.ts'
import { WorkerSecrets } from '../results/worker-secrets.ts'
import { fileOnDisk, workerKey } from '../testing/models.ts'
import { JobPerformer } from './job-performer.ts'
import type { checkReadable } from './readable.ts'

// Somebody who can write to a directory of models puts a link into it after the worker has looked where the path leads, and before it opens the file.

const swap = vi.hoisted(() => ({ now: (): unknown => undefined }))
vi.mock('./readable.ts', async (original) => {
  const { checkReadable: check, ...others } = await original<{ checkReadable: typeof checkReadable }>()
  const swapped: typeof checkReadable = async (...given) => {
    const checkPlace = await check(...given)
    swap.now()
    return checkPlace
  }
  return { ...others, checkReadable: swapped }
})

const key = workerKey('one')
let root: string
let outside: string
beforeEach(() => {
  root = scratch({ 'dir/secret': 'a file of a model', 'dir/dir/secret': 'another file' })
  outside = scratch({ secret: 'a secret of the host', 'dir/secret': 'another secret' })
})

/** Asks for a file in the state of another one. */
async function asked(name: string, inStateOf: string) {
  const { size, version } = fileOnDisk(inStateOf)
  const parts = [{ hashType: 'sha256' as const, start: 0, end: size }]
  const job: Job = { v: 1, files: [{ name, size, version, parts }] }
  const written = writeJob(job)
  const text = await new JobPerformer(key, { roots: [root], urls: [] }).perform(written, undefined)
  return authenticResult(text, { id: written.id, job }, new WorkerSecrets([key]))
}

test.each([
  ['a directory', 'dir', 'dir/secret'],
  ['a directory above', 'dir', 'dir/dir/secret'],
])('a link in place of %s is not followed out of the root', async (_, replaced, name) => {
  swap.now = () => {
    renameSync(join(root, replaced), join(root, 'away'))
    symlinkSync(outside, join(root, replaced))
  }
  const target = join(outside, name.slice('dir/'.length))
  const result = await asked(join(root, name), target)
  expect(result).toMatchObject({ digests: [], refusal: { code: 'FLEET_JOB' } })
  expect(JSON.stringify(result)).not.toContain(fileOnDisk(target).version)
})

test('a link in place of a file is not followed', async () => {
  swap.now = () => {
    renameSync(join(root, 'dir/secret'), join(root, 'away'))
    symlinkSync(join(outside, 'secret'), join(root, 'dir/secret'))
  }
  const result = await asked(join(root, 'dir/secret'), join(outside, 'secret'))
  expect(result).toMatchObject({ digests: [], refusal: { code: 'FILE_CHANGED' } })
})

test('a link that leads to another directory of the root is followed', async () => {
  mkdirSync(join(root, 'other'))
  writeFileSync(join(root, 'other/secret'), 'inside')
  swap.now = () => {
    renameSync(join(root, 'dir'), join(root, 'away'))
    symlinkSync(join(root, 'other'), join(root, 'dir'))
  }
  const result = await asked(join(root, 'dir/secret'), join(root, 'other/secret'))
  expect(result).toMatchObject({ digests: [sha256('inside')] })
})
