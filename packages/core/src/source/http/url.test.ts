import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nameFault } from '../../manifest/names.ts'
import { expectLinear } from '../../testing/linear.ts'
import { besideUrl, httpSource, isHttpUrl, nameBelow, parentUrl, fileUrl } from './url.ts'

const directory = httpSource(new URL('https://models.example/a/b/?key=1'))

describe('the URL of a file', () => {
  test.each([
    ['weights.bin', 'https://models.example/a/b/weights.bin?key=1'],
    ['shards/1 of 2#?.bin', 'https://models.example/a/b/shards/1%20of%202%23%3F.bin?key=1'],
    ['%2e%2e/weights.bin', 'https://models.example/a/b/%252e%252e/weights.bin?key=1'],
    ['..\\weights.bin', 'https://models.example/a/b/..%5Cweights.bin?key=1'],
    ['https:/evil.example', 'https://models.example/a/b/https%3A/evil.example?key=1'],
    ['модель 😀', 'https://models.example/a/b/%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C%20%F0%9F%98%80?key=1'],
  ])('of %s is %s', (name, url) => {
    expect(fileUrl(directory, name).href).toBe(url)
  })

  test('is below its directory and names nothing else, whatever the signed name is', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('.', '/', '\\', '%', '2', 'e', 'E', 'f', 'F', '?', '#', ':', '@', ' ') }),
    )
    fc.assert(
      fc.property(names, (name) => {
        fc.pre(nameFault(name) === undefined)
        const url = fileUrl(directory, name)
        expect(url.origin).toBe('https://models.example')
        expect(url.pathname.startsWith('/a/b/')).toBe(true)
        expect(url.search).toBe('?key=1')
        expect(nameBelow(directory.url, url)).toBe(name)
      }),
    )
  })

  test('that is the model itself is the given URL', () => {
    const model = httpSource(new URL('https://models.example/vad.onnx'))
    expect(model.name).toBe('vad.onnx')
    expect(fileUrl(model, 'vad.onnx').href).toBe('https://models.example/vad.onnx')
  })
})

test('siblings and parents of a URL keep its query and end at the root of the server', () => {
  const { url } = directory
  expect(besideUrl(url, '.sig').href).toBe('https://models.example/a/b.sig?key=1')
  expect(besideUrl(url, '/model.sig').href).toBe('https://models.example/a/b/model.sig?key=1')
  const above = parentUrl(url)
  expect(above?.href).toBe('https://models.example/a/?key=1')
  expect(above && parentUrl(above)?.pathname).toBe('/')
  expect(parentUrl(new URL('https://models.example/'))).toBeUndefined()
})

test.each<[unknown, boolean]>([
  ['https://models.example', true],
  ['HTTP://models.example', true],
  ['http:/models', false],
  ['models/https://x', false],
  ['file:///models', false],
  [undefined, false],
])('%j is an HTTP URL: %j', (path, expected) => {
  expect(isHttpUrl(path)).toBe(expected)
})

test('finds the parent of a long name in linear time', async () => {
  await expectLinear((text) => parentUrl(new URL(`https://models.example/${text}//`)), ['', 'a'])
})
