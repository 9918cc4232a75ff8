import { describe, expect, test } from 'vitest'
import { policyOf, ruleOf } from '../../testing/rules.ts'
import { refusal } from '../../testing/scratch.ts'
import type { MatchText } from '../schema/match.ts'
import { ruleForMemory } from './memory-rule.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string]

function chosen(matches: MatchText[], digest: string | undefined, format?: string): string {
  const rules = matches.map((match, index) => ruleOf(match, { name: `rule ${index}` }))
  return ruleForMemory(policyOf(rules), { digest, format }).name
}

describe('the rule for a model in memory', () => {
  test.each<[string, MatchText[], string | undefined, string | undefined, number]>([
    ['is one for any memory', [{ memory: 'any' }], A, undefined, 0],
    ['is one for any memory, for an object without a digest', [{ memory: 'any' }], undefined, undefined, 0],
    ['is one with its digest', [{ memory: A }], A, undefined, 0],
    ['is one with its digest in a list', [{ memory: [B, A] }], A, undefined, 0],
    ['is the first that matches', [{ memory: B }, { memory: A }, { memory: 'any' }], A, undefined, 1],
    ['is none with a path', [{ path: '**' }, { memory: 'any' }], A, undefined, 1],
    [
      'is one with its format',
      [
        { memory: 'any', format: 'saved-model' },
        { memory: A, format: 'onnx' },
      ],
      A,
      'onnx',
      1,
    ],
    ['is none with a format if its own is not known', [{ memory: A, format: 'onnx' }, { memory: A }], A, undefined, 1],
  ])('%s', (_, matches, digest, format, index) => expect(chosen(matches, digest, format)).toBe(`rule ${index}`))

  test.each<[string, MatchText[], string | undefined]>([
    ['rules have other digests', [{ memory: [A, B] }], C],
    ['rules have digests, and it has none', [{ memory: A }], undefined],
    ['rules have paths', [{ path: '**' }, { url: '**' }, { name: '**' }], A],
    ['rules have other formats', [{ memory: 'any', format: 'onnx' }], A],
    ['there is no rule', [], A],
  ])('is missing if %s', (_, matches, digest) =>
    expect(() => chosen(matches, digest, 'saved-model')).toThrow(
      refusal('SOURCE_UNKNOWN', {
        expected: 'a model that is loaded by its path',
        found: digest === undefined ? 'an object in memory' : `bytes with the digest ${digest}`,
        hint: expect.stringMatching(digest === undefined ? /^Load it by its path\.$/ : `"memory: ${digest}"`) as string,
      }),
    ),
  )
})
