import { expect, test } from 'vitest'
import { ModelSealError } from '@modelseal/core/errors'
import { refusal } from '../../core/src/testing/scratch.ts'
import { pushJournal } from './collecting/sending/push-journal.ts'
import { milliseconds, repeat, type Failure } from './repeating.ts'

const away = () => new ModelSealError('HTTP_UNREACHABLE', 'It is away.')

/** Runs the steps one after the other, and then aborts. */
async function failuresOf(steps: (() => void)[]): Promise<Failure[]> {
  const failures: Failure[] = []
  const stop = new AbortController()
  const work = async () => {
    const step = steps.shift()
    if (steps.length === 0) stop.abort()
    await Promise.resolve(step?.())
  }
  await repeat(work, { interval: 1, onFailure: (failure) => failures.push(failure), signal: stop.signal })
  return failures
}

function fails(): never {
  throw away()
}

test('what time heals is tried again, and nothing is reported once it is aborted', async () => {
  const failures = await failuresOf([fails, () => undefined, fails])
  expect(failures).toEqual([{ error: refusal('HTTP_UNREACHABLE'), retryIn: expect.any(Number) as number }])
  expect(failures[0]?.retryIn).toBeGreaterThanOrEqual(500)
  expect(failures[0]?.retryIn).toBeLessThanOrEqual(1_000)
})

test.each([new ModelSealError('JOURNAL_ROLLBACK', 'It is older.'), new TypeError('a fault of the program')])(
  'every other error ends the work: %s',
  async (error) => {
    const step = () => {
      throw error
    }
    await expect(failuresOf([step, () => undefined])).rejects.toBe(error)
  },
)

test.each([0, -1, 1.5, NaN, Infinity, 2 ** 31])('a time of %d milliseconds is refused', (value) => {
  expect(() => milliseconds('interval', value)).toThrow(refusal('INVALID_ARGUMENT'))
})

test.each([{ interval: 2 ** 31 }, { timeout: 0 }, { timeout: NaN }])('refuses to push with %j', async (options) => {
  const pushed = pushJournal('x', { to: 'https://collector.example', ...options })
  await expect(pushed).rejects.toThrow(refusal('INVALID_ARGUMENT'))
})
