import { describe, expect, test, vi } from 'vitest'
import type { ModelFormat } from '../../results.ts'
import { refusal } from '../../testing/scratch.ts'
import type { MatchText } from '../schema/match.ts'
import { compileMatch, directoryNamedAbove, matchesModel, ModelFacts, type ClaimedName } from './match.ts'

type Model = ConstructorParameters<typeof ModelFacts>[0]

const nothingClaimed = () => Promise.resolve<ClaimedName[]>([])
const factsOf = (model: Model) => new ModelFacts(model, nothingClaimed)

function matches(match: MatchText, model: Model, format?: ModelFormat): unknown {
  return matchesModel({ name: 'r', match: compileMatch(match, '/srv') }, factsOf(model), format)
}

describe('what is known about a model', () => {
  test('has its path, and its URL as globs see it', () => {
    const facts = factsOf({ path: '/srv/m', url: 'HTTPS://Hub.example/m?v=1' })
    expect(facts).toMatchObject({ path: '/srv/m', url: 'https://hub.example/m', source: undefined })
    expect(factsOf({})).toMatchObject({ path: undefined, url: undefined, source: undefined })
  })

  test('has a source only if it is loaded from a hub or registry', () => {
    expect(factsOf({ source: 'hf://org/%6D' }).source).toBe('hf://org/m')
    expect(factsOf({ source: 'https://hub.example/m' }).source).toBeUndefined()
    expect(factsOf({ url: 'hf://org/m' }).source).toBeUndefined()
  })

  test('has the formats that the program promises to load', () => {
    expect(factsOf({}).formats).toEqual([])
    expect(factsOf({ format: 'onnx' }).formats).toEqual(['onnx'])
    const oneOf = ['tfjs-graph', 'tfjs-layers'] as const
    expect(factsOf({ format: { oneOf, claimed: () => Promise.resolve(undefined) } }).formats).toEqual(oneOf)
  })

  test('has a claim about the format only if the program names several', async () => {
    const claimed = () => Promise.resolve('tfjs-graph')
    expect(await factsOf({ format: { oneOf: ['tfjs-graph'], claimed } }).claimedFormat()).toBe('tfjs-graph')
    for (const facts of [factsOf({}), factsOf({ format: 'onnx' })])
      await expect(facts.claimedFormat()).resolves.toBeUndefined()
  })

  test('reads the names that bundles claim once, when they are needed', async () => {
    const read = vi.fn(() => Promise.resolve([{ path: '/m.sig', name: 'vad' }]))
    const facts = new ModelFacts({ path: '/m' }, read)
    expect(read).not.toHaveBeenCalled()
    expect(await facts.names()).toEqual([{ path: '/m.sig', name: 'vad' }])
    expect(await facts.names()).toEqual([{ path: '/m.sig', name: 'vad' }])
    expect(read).toHaveBeenCalledTimes(1)
  })

  test('is named in messages by its path, else by its URL', () => {
    expect(factsOf({ path: '/m', url: 'https://hub.example/m' }).place).toBe('/m')
    expect(factsOf({ url: 'https://hub.example/m' }).place).toBe('https://hub.example/m')
    expect(factsOf({}).place).toBe('')
  })

  test('has a path relative to each policy', () => {
    const facts = factsOf({ path: '/srv/models/vad' })
    const policies = ['/srv', '/srv/policies', undefined, '/srv']
    expect(policies.map((directory) => facts.pathFrom(directory))).toEqual([
      'models/vad',
      '../models/vad',
      '/srv/models/vad',
      'models/vad',
    ])
    expect(factsOf({ url: 'https://hub.example/m' }).pathFrom('/srv')).toBeUndefined()
  })
})

describe('a rule', () => {
  test.each<[MatchText, boolean]>([
    [{ url: 'https://a/**' }, true],
    [{ path: '**' }, true],
    [{ path: '**/*' }, true],
    [{ path: ['a', '**/*'] }, true],
    [{ path: ['**', 'a'] }, true],
    [{ path: 'a/**' }, false],
    [{ path: ['a', 'b/**/*'] }, false],
  ])('with the match %j may match any path: %s', (match, any) => expect(compileMatch(match, '/srv').anyPath).toBe(any))

  test('keeps what it matches as it is written', () => {
    const match = { path: 'a', memory: 'any' } as const
    expect(compileMatch(match, '/srv').written).toBe(match)
  })

  test.each<[string, MatchText, Model, boolean]>([
    ['a path relative to its policy', { path: 'a/*' }, { path: '/srv/a/m' }, true],
    ['no path elsewhere', { path: 'a/*' }, { path: '/a/m' }, false],
    ['no path below that of a policy elsewhere', { path: 'a/*' }, { path: '/srv/x/a/m' }, false],
    ['an absolute path', { path: '/a/*' }, { path: '/a/m' }, true],
    ['no relative path by an absolute glob', { path: '/a/*' }, { path: '/srv/a/m' }, false],
    ['a directory itself by its content', { path: 'a/**' }, { path: '/srv/a' }, true],
    ['one of several paths', { path: ['x', 'a'] }, { path: '/srv/a' }, true],
    ['none of several paths', { path: ['x', 'y'] }, { path: '/srv/a' }, false],
    ['a path that is written with "./"', { path: './a' }, { path: '/srv/a' }, true],
    ['a component that ends with a dot', { path: 'a./b' }, { path: '/srv/a./b' }, true],
    ['no path if the model has none', { path: '**' }, { url: 'https://a/m' }, false],
    ['a URL', { url: 'https://a/*' }, { url: 'https://a/m' }, true],
    ['no other URL', { url: 'https://a/*' }, { url: 'https://b/m' }, false],
    ['no URL if the model has none', { url: '**' }, { path: '/srv/a' }, false],
    ['no source if the model has none', { source: '**' }, { path: '/srv/a', url: 'https://a/m' }, false],
    ['path and URL together', { path: 'a', url: 'https://a/*' }, { path: '/srv/a', url: 'https://a/m' }, true],
    ['no path with another URL', { path: 'a', url: 'https://a/*' }, { path: '/srv/a', url: 'https://b/m' }, false],
    ['no URL with another path', { path: 'b', url: 'https://a/*' }, { path: '/srv/a', url: 'https://a/m' }, false],
    ['nothing that has a path if it is for memory', { memory: 'any' }, { path: '/srv/a' }, false],
  ])('matches %s', (_, match, model, expected) => expect(matches(match, model)).toBe(expected))

  test.each<[ModelFormat | ModelFormat[], ModelFormat | undefined, boolean]>([
    ['onnx', 'onnx', true],
    [['tfjs-graph', 'onnx'], 'onnx', true],
    ['onnx', 'saved-model', false],
    ['onnx', undefined, false],
    ['any', 'saved-model', true],
    ['any', undefined, true],
  ])('for the format %j matches %s: %s', (format, loaded, expected) =>
    expect(matches({ path: '**', format }, { path: '/srv/a' }, loaded)).toBe(expected),
  )

  test('has the digests of the models in memory as a list', () => {
    const digest = `sha256:${'a'.repeat(64)}`
    expect(compileMatch({ memory: digest }, '/').memory).toEqual([digest])
    expect(compileMatch({ memory: [digest] }, '/').memory).toEqual([digest])
    expect(compileMatch({ memory: 'any' }, '/').memory).toBe('any')
    expect(compileMatch({ path: 'a' }, '/')).not.toHaveProperty('memory')
  })

  test.each([
    ['models/vad', 'models/vad'],
    ['./models/vad', 'models/vad'],
    ['/srv/vad', '/srv/vad'],
    ['models/*', undefined],
    ['{a,b}', undefined],
    ['{a,b}/*', undefined],
  ])('with the path %s is compared literally with %s', (path, literal) =>
    expect(compileMatch({ path }, '/srv').path?.[0]?.literal).toBe(literal),
  )
})

describe('the directory that a rule names above a model', () => {
  const above = (path: MatchText['path'], model: Model = { path: '/srv/models/vad/x' }) =>
    directoryNamedAbove(compileMatch(path === undefined ? { url: '**' } : { path }, '/srv'), factsOf(model))

  test.each<[MatchText['path'], string | undefined]>([
    ['models/vad', 'models/vad'],
    ['models', 'models'],
    ['/srv/models', '/srv/models'],
    [['other', 'models'], 'models'],
    [['other/*', 'models'], 'models'],
    ['models/va', undefined],
    ['models/vad/x', undefined],
    ['models/*', undefined],
    ['**', undefined],
    [undefined, undefined],
  ])('of the path %j is %j', (path, directory) => expect(above(path)).toBe(directory))

  test('is none for a model without a path', () => {
    expect(above('models', { url: 'https://a/m' })).toBeUndefined()
    expect(above('/srv', { url: 'https://a/m' })).toBeUndefined()
  })
})

describe('a rule that matches by name', () => {
  function byName(claimed: ClaimedName[], model: Model = { path: '/m' }): unknown {
    const rule = { name: 'voice', match: compileMatch({ name: 'v*' }, '/') }
    return matchesModel(rule, new ModelFacts(model, () => Promise.resolve(claimed)), undefined)
  }

  const one = { path: '/a.sig', name: 'vad' }
  const two = { path: '/b.sig', name: 'voice' }
  const other = { path: '/c.sig', name: 'llm' }
  const broken = { path: '/d.sig' }

  test.each([
    ['matches if the only bundle claims it', [one], true],
    ['matches if all bundles claim the same', [one, { ...one, path: '/e.sig' }], true],
    ['does not match if no bundle claims it', [other], false],
    ['does not match if several bundles claim other names', [other, { path: '/f.sig', name: 'ocr' }], false],
    ['does not match without a bundle', [], false],
  ])('%s', async (_, claimed, expected) => expect(await byName(claimed)).toBe(expected))

  test.each([
    ['two names that match', [one, two], '"vad" and "voice"', '/m'],
    ['a name that matches and another', [other, one], '"llm" and "vad"', '/m'],
    ['a bundle that cannot be read', [broken], '"/d.sig", which cannot be read', '/d.sig'],
    ['a bundle that cannot be read beside one', [one, broken], '"vad" and "/d.sig", which cannot be read', '/d.sig'],
    [
      'a bundle that cannot be read beside another',
      [other, broken],
      '"llm" and "/d.sig", which cannot be read',
      '/d.sig',
    ],
  ])('refuses %s', async (_, claimed, found, file) => {
    await expect(byName(claimed)).rejects.toEqual(
      refusal('NAME_AMBIGUOUS', { file, expected: 'bundles that all claim one name', found }),
    )
  })

  test('reads no name if the rest of the rule does not match', () => {
    const names = vi.fn(nothingClaimed)
    const rule = { name: 'voice', match: compileMatch({ path: 'x', name: 'v*' }, '/') }
    expect(matchesModel(rule, new ModelFacts({ path: '/m' }, names), undefined)).toBe(false)
    expect(names).not.toHaveBeenCalled()
  })
})
