import { expect, test } from 'vitest'
import { refusal } from '../../../../core/src/testing/scratch.ts'
import { runWorker } from './run-worker.ts'

const options = { queue: 'redis://127.0.0.1:1', secretFile: 'none', signal: AbortSignal.abort() }

test.each([0, -1, 1.5, Number.NaN, Infinity])(
  'a worker that does %d jobs at a time is refused',
  async (concurrency) => {
    await expect(runWorker({ ...options, roots: ['models'], concurrency })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { expected: '"concurrency" of at least 1', found: String(concurrency) }),
    )
  },
)

test('a worker that may read nothing is refused', async () => {
  await expect(runWorker(options)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { expected: 'a directory (--root) or the beginning of a URL of models (--allow)' }),
  )
})
