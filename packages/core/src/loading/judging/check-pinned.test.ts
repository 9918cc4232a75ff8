import { expect, test } from 'vitest'
import type { Rule } from '../../policy/rule.ts'
import { refusal } from '../../testing/scratch.ts'
import { checkPinned } from './check-pinned.ts'

const RULE = { name: 'pinned' } as Rule
const COMMIT = 'a1'.repeat(20)

test('a model is pinned if it was requested by its revision, or has no other name for it', () => {
  checkPinned(RULE, { url: 'hf://acme/vad' }, { revision: COMMIT, requested: COMMIT })
  checkPinned(RULE, { url: 'hf://acme/vad' }, { revision: COMMIT, requested: undefined })
})

test('a branch is not, and the refusal says what it is now', () => {
  const details = {
    file: 'hf://acme/vad',
    expected: 'a commit or a digest',
    found: `"main", which is currently "${COMMIT}"`,
    hint: expect.stringContaining(`write "${COMMIT}" after "@"`) as string,
  }
  const place = { url: 'hf://acme/vad', path: 'acme/vad' }
  expect(() => checkPinned(RULE, place as never, { revision: COMMIT, requested: 'main' })).toThrow(
    refusal('REVISION_NOT_PINNED', details),
  )
})

test('nor is a location without revisions', () => {
  const details = {
    file: '/models/vad',
    found: 'a location without revisions',
    hint: 'The rule "pinned" requires it ("require.pinned").',
  }
  for (const requested of [undefined, 'main'])
    expect(() => checkPinned(RULE, { path: '/models/vad' }, { revision: undefined, requested })).toThrow(
      refusal('REVISION_NOT_PINNED', details),
    )
})
