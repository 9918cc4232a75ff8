import { expect, test, vi } from 'vitest'
import { compileLooseGlob } from '../matching/glob.ts'
import { compileLoose } from './loose-text.ts'

vi.mock('../matching/glob.ts', { spy: true })

test('a programming error is not taken for a pattern without a loose form', () => {
  vi.mocked(compileLooseGlob)
    .mockReturnValueOnce(() => false)
    .mockImplementationOnce(() => {
      throw new TypeError('ours')
    })
  expect(() => compileLoose({ pattern: 'a*' })).toThrow(TypeError)
})
