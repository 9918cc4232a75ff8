import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { referencedName } from './references.ts'

describe('referencedName', () => {
  test.each([
    ['model.json', 'weights.bin', 'weights.bin'],
    ['web/model.json', 'a/weights.bin', 'web/a/weights.bin'],
    ['web/v1/model.onnx', 'model.onnx.data', 'web/v1/model.onnx.data'],
    ['model.json', 'a..b/c...bin', 'a..b/c...bin'],
    ['model.json', 'group:1 100%.bin', 'group:1 100%.bin'],
    ['model.json', './weights.bin', 'weights.bin'],
    ['web/model.json', './weights.bin', 'web/weights.bin'],
    ['web/model.json', 'a//weights.bin', 'web/a/weights.bin'],
    ['web/model.json', './/a/././/weights.bin', 'web/a/weights.bin'],
    ['model.json', 'a/.../.w', 'a/.../.w'],
  ])('%s refers to %s next to itself', (from, reference, name) => {
    expect(referencedName(from, reference)).toBe(name)
  })

  test.each(['weights.bin/', 'weights.bin/.', 'a//', '.', './', ''])(
    'leaves %j unchanged, because it names a directory',
    (reference) => {
      expect(referencedName('web/model.json', reference)).toBe(`web/${reference}`)
    },
  )

  test.each([
    '../outside.bin',
    './../outside.bin',
    'a//../../outside.bin',
    '..',
    'a/../../outside.bin',
    'a/..',
    '/etc/passwd',
    '//host/share',
    '..\\outside.bin',
    'a\\b.bin',
    'C:outside.bin',
    'c:/outside.bin',
    'https://example.com/weights.bin',
    'file:/etc/passwd',
    '%2e%2e/outside.bin',
    '.%2E/outside.bin',
    'a%2foutside.bin',
    'a%5Coutside.bin',
    '%252e%252e/outside.bin',
    'weights.bin\0',
    'weights.bin\0.signed',
    '\0',
  ])('refuses %s, which can lead out of the model', (reference) => {
    expect(() => referencedName('web/model.json', reference)).toThrow(expect.objectContaining({ code: 'PATH_ESCAPES' }))
  })

  test('never gives a name outside the directory of the referring file', () => {
    const piece = fc.oneof(fc.constantFrom('..', '.', '/', '\\', '%2e', '%2f', 'C:', 'x'), fc.string({ maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const reference = pieces.join('')
        let name: string
        try {
          name = referencedName('web/model.json', reference)
        } catch {
          return
        }
        for (const decoded of [name, decodedOrSame(name)]) {
          const { pathname } = new URL(`file:///root/${decoded.replace(/[?#\t\n\r]/g, '_')}`)
          expect(pathname.startsWith('/root/web/')).toBe(true)
        }
      }),
    )
  })
})

function decodedOrSame(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
