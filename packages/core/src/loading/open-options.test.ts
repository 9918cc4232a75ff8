import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadPolicy } from '../policy/load-policy.ts'
import { watchPolicy } from '../policy/watching/watch-policy.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { checkChoices, loadOptions, openOptions, type OpenOptions } from './open-options.ts'

beforeAll(() => vi.stubEnv('MODELSEAL_ISOLATION', undefined))
afterEach(() => vi.unstubAllEnvs())

const claimed = () => Promise.resolve('onnx' as const)

/** The refusal of an option by its name. */
const invalid = (option: string, expected: string | RegExp = /./) =>
  refusal('INVALID_ARGUMENT', {
    message: expect.stringContaining(`option "${option}"`) as string,
    expected: typeof expected === 'string' ? expected : (expect.stringMatching(expected) as string),
  })

describe('the options of a load', () => {
  test('are none by default, whatever is on Object.prototype', () => {
    expect(Object.values(openOptions(undefined)).filter((value) => value !== undefined)).toEqual([])
    expect(Object.getPrototypeOf(openOptions({}))).toBeNull()
    expect(Object.isFrozen(openOptions({}))).toBe(true)
  })

  test.each<[string, unknown, string | RegExp]>([
    ['policy', 5, 'a path, a "file:" URL, or the result of loadPolicy() or watchPolicy()'],
    ['policy', {}, 'a path, a "file:" URL, or the result of loadPolicy() or watchPolicy()'],
    ['signature', 5, /./],
    ['format', 'ONNX', /^"onnx" or "tfjs-graph" or .* or the format of another adapter/],
    ['format', 'onxx', /^"onnx"/],
    ['format', '', /^"onnx"/],
    ['url', 5, 'a string'],
    ['isolation', 'mem', '"memory" or "copy" or "in-place" or "auto"'],
    ['audit', 'yes', 'true or false'],
    ['onRevoked', 'stop', '"release", "exit" or a function'],
    ['onRevoked', true, '"release", "exit" or a function'],
    ['signal', 5, 'an AbortSignal'],
    ['onProgress', 5, /function/],
    ['headers', { http: { headers: 5 } }, /./],
  ])('refuse a value of another kind: %s %j', (option, value, expected) => {
    const given = option === 'headers' ? (value as object) : { [option]: value }
    expect(() => openOptions(given)).toThrow(option === 'headers' ? invalid('headers') : invalid(option, expected))
  })

  test('name the options that there are', () => {
    expect(() => openOptions({ polcy: 'a' } as OpenOptions)).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('Unknown option "polcy" for a verified load.') as string,
        expected:
          'policy, signature, format, url, isolation, maxBundleBytes, http, audit, maxBytes, onRevoked, signal, onProgress',
      }),
    )
    expect(() => openOptions({ http: { header: {} } } as OpenOptions)).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining('for the option "http"') as string,
        expected: 'headers, urlFor, fetch, redirectOrigins, maxBytes, idleTimeout, totalTimeout',
      }),
    )
  })

  test.each<[string, object]>([
    ['urlFor', { urlFor: 5 }],
    ['fetch', { fetch: 5 }],
    ['redirectOrigins', { redirectOrigins: 'https://a.example' }],
    ['redirectOrigins[0]', { redirectOrigins: [5] }],
  ])('refuse a value of another kind for HTTP: %s', (option, http) => {
    expect(() => openOptions({ http })).toThrow(invalid(option))
  })

  test('keep what they have at the time of the call', () => {
    const http = {
      headers: { a: 'b' },
      redirectOrigins: ['https://a.example'],
      maxBytes: 5,
      idleTimeout: 6,
      totalTimeout: 7,
    }
    const given = { http, url: 'https://a.example/m', maxBytes: 8, maxBundleBytes: 9, audit: false }
    const options = openOptions(given)
    http.headers.a = 'c'
    http.redirectOrigins.push('https://b.example')
    expect(options).toMatchObject({
      ...given,
      http: { ...http, headers: { a: 'b' }, redirectOrigins: ['https://a.example'] },
    })
  })
})

describe('a policy', () => {
  test('is an absolute path, or the object that was given', async () => {
    const path = `${scratch({ 'p.yaml': '{ version: 1, rules: [{ name: r, match: { path: m }, mode: skip, reason: r }] }' })}/p.yaml`
    expect(openOptions({ policy: 'p.yaml' }).policy).toBe(resolve('p.yaml'))
    expect(openOptions({ policy: pathToFileURL(path) }).policy).toBe(path)
    for (const policy of [await loadPolicy(path), await watchPolicy(path)])
      expect(openOptions({ policy }).policy).toBe(policy)
    expect(() => openOptions({ policy: '' })).toThrow(refusal('INVALID_ARGUMENT'))
  })
})

test('a signature is an absolute path, or a URL of a source as it is', () => {
  expect(openOptions({ signature: 'a.sig' }).signature).toBe(resolve('a.sig'))
  expect(openOptions({ signature: 'https://a.example/m.sig' }).signature).toBe('https://a.example/m.sig')
  expect(openOptions({ signature: 'hf://acme/m/a.sig' }).signature).toBe('hf://acme/m/a.sig')
  expect(openOptions({ signature: pathToFileURL(resolve('b.sig')).href }).signature).toBe(resolve('b.sig'))
})

describe('a format', () => {
  test.each(['onnx', 'tfjs-graph', 'tfjs-layers', 'saved-model', 'gguf', 'a'])('may be %s', (format) => {
    expect(openOptions({ format }).format).toBe(format)
  })

  test('may be one of several, with what the model claims', () => {
    const oneOf = ['onnx', 'gguf']
    const { format } = openOptions({ format: { oneOf, claimed } as OpenOptions['format'] })
    oneOf.push('saved-model')
    expect(format).toEqual({ oneOf: ['onnx', 'gguf'], claimed })
    expect(Object.isFrozen(format)).toBe(true)
  })

  test.each<[string, object, unknown]>([
    [
      'no list',
      { claimed },
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('"oneOf" is missing') as string }),
    ],
    [
      'nothing that is claimed',
      { oneOf: ['onnx'] },
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('"claimed" is missing') as string }),
    ],
    ['an empty list', { oneOf: [], claimed }, invalid('format.oneOf', 'at least one format')],
    ['a misspelt format', { oneOf: ['onxx'], claimed }, invalid('oneOf[0]', /^"onnx"/)],
    ['something else in the list', { oneOf: [5], claimed }, invalid('oneOf[0]', /^"onnx"/)],
    ['no function', { oneOf: ['onnx'], claimed: 'onnx' }, invalid('claimed')],
    [
      'another field',
      { oneOf: ['onnx'], claimed, more: 1 },
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for the option "format"') as string }),
    ],
  ])('may not be one of several with %s', (_, format, error) => {
    expect(() => openOptions({ format } as OpenOptions)).toThrow(error)
  })
})

test.each([['release'], ['exit'], [() => {}]] as const)('the reaction to a revocation may be %s', (onRevoked) => {
  expect(openOptions({ onRevoked }).onRevoked).toBe(onRevoked)
})

describe('the isolation', () => {
  test.each(['memory', 'in-place', 'copy', 'auto'] as const)('may be %s', (isolation) => {
    expect(openOptions({ isolation }).isolation).toBe(isolation)
  })

  test('is that of the environment if the program says none', () => {
    vi.stubEnv('MODELSEAL_ISOLATION', 'copy')
    const options = openOptions({ audit: true })
    expect([options.isolation, options.audit]).toEqual(['copy', true])
    expect([Object.isFrozen(options), Object.getPrototypeOf(options)]).toEqual([true, null])
    expect(openOptions({ isolation: 'memory' }).isolation).toBe('memory')
    expect(loadOptions<OpenOptions>({}, []).isolation).toBe('copy')
    vi.stubEnv('MODELSEAL_ISOLATION', 'mem')
    expect(() => openOptions({})).toThrow(refusal('INVALID_ARGUMENT'))
    expect(openOptions({ isolation: 'memory' }).isolation).toBe('memory')
  })
})

describe('the options of a loader', () => {
  test('are its own besides those of every load, which are passed on as they are', () => {
    const value = {}
    const options = loadOptions({ audit: true, session: value }, ['session'])
    expect(options.session).toBe(value)
    expect(options.audit).toBe(true)
    expect(() => loadOptions({ session: value } as OpenOptions, [])).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for a verified load') as string }),
    )
    expect(() => loadOptions({}, 'session' as never)).toThrow(invalid('further'))
  })
})

describe('limits', () => {
  test('are positive integers', () => {
    for (const options of [{}, { maxBytes: 1 }, { maxBytes: Number.MAX_SAFE_INTEGER }, { maxBundleBytes: 1 }])
      checkChoices(options)
    for (const maxBytes of [0, -1, 1.5, Number.NaN, Infinity, '1', null])
      expect(() => checkChoices({ maxBytes: maxBytes as number })).toThrow(
        invalid('maxBytes', 'a positive integer (bytes)'),
      )
    expect(() => checkChoices({ maxBundleBytes: 0 })).toThrow(invalid('maxBundleBytes'))
  })
})
