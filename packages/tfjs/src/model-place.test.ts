import * as tf from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import type { ModelSource } from '@modelseal/core'
import { isHttp, modelPlace } from './model-place.ts'
import type { TensorFlow } from './open-artifacts.ts'

/** As in tfjs-node, which is a separate installation. */
class NodeFileSystem {
  readonly path: unknown
  readonly loadOptions = 'ignored'
  constructor(path: unknown) {
    this.path = path
  }
}

const tfjsNode = {
  ...tf,
  io: { http: tf.io.http, fileSystem: (path: unknown) => new NodeFileSystem(path) },
} as unknown as TensorFlow
const place = (source: unknown) => modelPlace(source, tfjsNode)

function refused(found: string, cause?: unknown): Error {
  return expect.objectContaining({
    name: 'ModelSealError',
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('its signature cannot be found for this kind of source') as string,
    expected: 'a path, a "file://", "http://" or "https://" URL, or a tf.io handler for one',
    found,
    ...(cause === undefined ? {} : { cause }),
  }) as Error
}

describe('the place of a model is', () => {
  const source = { open: () => undefined, place: { name: 'm' } } as unknown as ModelSource

  test.each<[string, unknown, unknown]>([
    ['a path', 'models/m', 'models/m'],
    ['a path with a colon', 'a:b/m', 'a:b/m'],
    ['a drive', 'c://models/m', 'c://models/m'],
    ['a path with a URL in it', 'models/file:///m', 'models/file:///m'],
    ['an HTTP URL', 'http://models.example/m', 'http://models.example/m'],
    ['an HTTPS URL', 'HTTPS://models.example/m', 'HTTPS://models.example/m'],
    ['a path after file://', 'file://models/a%20b', 'models/a%20b'],
    ['the path of a file URL, decoded', 'file:///models/a%20b', '/models/a b'],
    ['the path of a file URL in capitals', 'FILE:///models/m', '/models/m'],
    ['the path of a URL object', new URL('file:///models/a%20b'), '/models/a b'],
    ['the address of a URL object', new URL('https://models.example/m'), 'https://models.example/m'],
    ['a source', source, source],
  ])('%s', (_, given, expected) => {
    expect(place(given)).toStrictEqual({ source: expected })
  })

  test('refused for a URL that no package provides', () => {
    expect(() => place('s3+x.y-z0://models/m')).toThrow(expect.objectContaining({ code: 'SCHEME_UNKNOWN' }))
    expect(() => place('indexeddb://m')).toThrow(expect.objectContaining({ code: 'SCHEME_UNKNOWN' }))
  })
})

describe('handlers of tf:', () => {
  test('the URL of an HTTP handler, with its options', () => {
    const handler = tf.io.http('https://models.example/m/model.json', { requestInit: { redirect: 'error' } })
    const { loadOptions } = handler as unknown as { loadOptions: object }
    const given = place(handler)
    expect(given).toStrictEqual({ source: 'https://models.example/m/model.json', handlerOptions: loadOptions })
    expect(given.handlerOptions).toBe(loadOptions)
  })

  test('the path of a handler for files, literally', () => {
    expect(place(new NodeFileSystem('file:///m'))).toStrictEqual({ source: 'file:///m' })
    expect(place(new NodeFileSystem('https://models.example/m'))).toStrictEqual({ source: 'https://models.example/m' })
  })

  test.each([
    ['several paths', new NodeFileSystem(['a', 'b']), 'a handler with several locations'],
    ['no URL', tf.io.http('models/m/model.json'), '"models/m/model.json"'],
    ['the URL of a file', tf.io.http('file:///models/m'), '"file:///models/m"'],
  ])('none with %s', (_, handler, found) => {
    expect(() => place(handler)).toThrow(refused(found))
  })
})

describe('refuses', () => {
  const unknownHandler = 'an object, such as an IOHandler that does not tell where its bytes come from'
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an empty text', '', 'an empty string'],
    ['a number', 5, 'a number'],
    ['a list', ['https://models.example/m'], 'an array'],
    ['bytes', new Uint8Array(1), 'a buffer'],
    ['a plain object', { path: 'models/m' }, unknownHandler],
    ['an object without a prototype', Object.create(null), unknownHandler],
    ['a handler of the caller', { load: () => undefined, path: 'https://models.example/m' }, unknownHandler],
    ['a handler with the bytes', tf.io.fromMemory({}), unknownHandler],
    ['a revoked proxy', proxy, unknownHandler],
    ['file:// without a path', 'file://', '"file://"'],
    ['a file URL with a query', 'file:///m?a', '"file:///m?a", which has a query or fragment'],
    ['a file URL with a fragment', 'file:///m#a', '"file:///m#a", which has a query or fragment'],
  ])('%s', (_, given, found) => {
    expect(() => place(given)).toThrow(refused(found))
  })

  test('a file URL with an encoded slash, and says what Node.js found', () => {
    expect(() => place('file:///a%2fb')).toThrow(
      refused('"file:///a%2fb"', expect.objectContaining({ code: 'ERR_INVALID_FILE_URL_PATH' })),
    )
  })

  test.each<[string, object]>([
    ['has no io', {}],
    ['has no handlers', { io: {} }],
    ['creates plain objects', { io: { http: () => ({}), fileSystem: () => Object.create(null) as object } }],
    ['creates nothing', { io: { http: () => null, fileSystem: () => undefined } }],
    ['creates texts', { io: { http: () => 'x', fileSystem: () => 'x' } }],
  ])('any handler if tf %s', (_, other) => {
    for (const handler of [
      { path: 'https://models.example/m' },
      Object.create(null) as object,
      tf.io.http('https://a'),
    ])
      expect(() => modelPlace(handler, other as TensorFlow)).toThrow(refused(unknownHandler))
  })
})

test.each([
  ['http://a', true],
  ['HTTPS://a', true],
  ['https:a', true],
  ['httpx://a', false],
  ['models/http://a', false],
  [{} as ModelSource, false],
  [{ toString: () => 'http://a' } as unknown as ModelSource, false],
])('%s is an HTTP URL: %s', (source, expected) => {
  expect(isHttp(source)).toBe(expected)
})
