import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspectModel } from '@modelseal/core/verification'
import { describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { huggingFaceSource } from '../hugging-face-source.ts'
import { RepositoryCache } from './repository-cache.ts'

const COMMIT = 'c'.repeat(40)
const LOCATION = {
  kind: 'models',
  repository: 'org/vad',
  revision: 'main',
  hasRevision: false,
  folder: '',
  url: 'hf://org/vad',
} as const

/** What others may have put where the reference of the branch is. */
const PLANTED: [string, (path: string) => void][] = [
  ['a FIFO that nobody writes to', (path) => execFileSync('mkfifo', [path])],
  ['a device that never ends', (path) => symlinkSync('/dev/zero', path)],
  ['a file without a commit', (path) => writeFileSync(path, 'x'.repeat(1_000_000))],
]

describe.skipIf(process.platform === 'win32')('a reference in the cache that is', () => {
  test.each(PLANTED)('%s is not waited for offline', async (_, plant) => {
    const cache = scratch()
    const references = join(cache, 'models--org--vad', 'refs')
    mkdirSync(references, { recursive: true })
    plant(join(references, 'main'))
    vi.stubEnv('HF_HUB_CACHE', cache)
    const source = huggingFaceSource('hf://org/vad', { offline: true, token: false })
    await expect(inspectModel(source)).rejects.toEqual(refusal('MODEL_NOT_FOUND'))
    vi.unstubAllEnvs()
  })

  test.each(PLANTED)('%s is replaced when the model is added', async (_, plant) => {
    const cache = scratch()
    const references = join(cache, 'models--org--vad', 'refs')
    mkdirSync(references, { recursive: true, mode: 0o755 })
    plant(join(references, 'main'))
    await new RepositoryCache(cache, LOCATION, COMMIT).link({ path: 'config.json', blob: 'b'.repeat(64), size: 2 })
    expect(statSync(join(references, 'main')).isFile()).toBe(true)
    expect(readFileSync(join(references, 'main'), 'utf8')).toBe(COMMIT)
  })
})
