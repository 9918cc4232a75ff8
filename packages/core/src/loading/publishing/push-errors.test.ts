import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import { refusal } from '../../testing/scratch.ts'
import { changedFile, forPublisher, pushConflict, pushRefused, pushUnproven } from './push-errors.ts'

const PLACE = 'hf://org/vad'

test('a refused push names the place and what else is known', () => {
  expect(pushRefused(PLACE, 'no')).toEqual(refusal('PUSH_REFUSED', { file: PLACE }))
  expect(pushRefused(PLACE, 'the branch is missing').message).toContain('"hf://org/vad": the branch is missing.')
  const details = { found: 'a', expected: 'b' }
  expect(pushRefused(PLACE, 'no', details)).toEqual(refusal('PUSH_REFUSED', { file: PLACE, ...details }))
})

test('a conflict names both commits', () => {
  expect(pushConflict(PLACE, 'a', 'b')).toEqual(
    refusal('PUSH_CONFLICT', { file: PLACE, expected: 'a', found: 'b', hint: expect.any(String) as string }),
  )
})

test('what is not proven has the reason and its details', () => {
  const cause = new ModelSealError('FILE_MISMATCH', 'Differs.', {
    file: 'a.bin',
    expected: '1',
    found: '2',
    hint: 'No.',
  })
  const hint = expect.stringContaining('Do not announce it.') as string
  const unproven = pushUnproven(PLACE, cause)
  expect(unproven).toEqual(refusal('PUSH_UNPROVEN', { file: 'a.bin', expected: '1', found: '2', hint, cause }))
  expect(unproven.message).toContain('Differs. Expected 1, found 2.')
  expect(pushUnproven(PLACE, new ModelSealError('ABORTED', 'No.'))).toMatchObject({ file: PLACE })
})

test('a file that changed is named', () => {
  const hint = expect.stringContaining('push again') as string
  expect(changedFile('a', 'b')).toEqual(
    refusal('FILE_CHANGED', { file: 'a', expected: 'the content that was signed', found: 'b', hint }),
  )
})

describe('for its publisher, an error', () => {
  const thrown = (error: unknown): unknown => {
    try {
      return forPublisher(error)
    } catch (other) {
      return other
    }
  }

  test.each([
    ['FILE_MISMATCH', 'sign the model again'],
    ['FILE_MISSING', 'sign the model again'],
    ['FILE_UNSIGNED', 'sign the model again'],
    ['BUNDLE_NOT_FOUND', 'Sign the model, as "modelseal push key'],
  ] as const)('about the model has another hint, and is otherwise the same: %s', (code, words) => {
    const error = new ModelSealError(code, 'No.', { file: 'a', found: 'b', hint: 'Do not load it.' })
    error.verdict = {} as Verdict
    const hint = expect.stringContaining(words) as string
    const other = thrown(error)
    expect(other).toEqual(refusal(code, { file: 'a', found: 'b', hint }))
    expect((other as ModelSealError).verdict).toBe(error.verdict)
    expect((other as Error).message).not.toContain('Do not load it.')
  })

  test('of another kind is the same', () => {
    for (const error of [new ModelSealError('ABORTED', 'No.'), new TypeError('a bug'), { code: 'FILE_MISMATCH' }])
      expect(thrown(error)).toBe(error)
  })
})
