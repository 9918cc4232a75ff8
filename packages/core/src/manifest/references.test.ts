import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { shown } from '../errors.ts'
import { refusal } from '../testing/scratch.ts'
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

  const parent = 'it contains a ".." component'
  const backslash = 'it contains a backslash'
  const url = 'it is a URL or begins with a drive letter'
  const encoded = 'it contains a percent-encoded dot, slash or backslash'
  const nul = 'it contains a NUL character'
  test.each([
    ['../outside.bin', parent],
    ['./../outside.bin', parent],
    ['a//../../outside.bin', parent],
    ['..', parent],
    ['a/../../outside.bin', parent],
    ['a/..', parent],
    ['/etc/passwd', 'it is absolute'],
    ['//host/share', 'it is absolute'],
    ['..\\outside.bin', backslash],
    ['a\\b.bin', backslash],
    ['C:outside.bin', url],
    ['c:/outside.bin', url],
    ['https://example.com/weights.bin', url],
    ['file:/etc/passwd', url],
    ['x1+.-:/w', url],
    ['%2e%2e/outside.bin', encoded],
    ['.%2E/outside.bin', encoded],
    ['a%2foutside.bin', encoded],
    ['a%5Coutside.bin', encoded],
    ['%252e%252e/outside.bin', encoded],
    ['%25252f', encoded],
    ['weights.bin\0', nul],
    ['weights.bin\0.signed', nul],
    ['\0', nul],
  ])('refuses %s, which can lead out of the model', (reference, fault) => {
    expect(() => referencedName('web/model.json', reference)).toThrow(
      refusal('PATH_ESCAPES', {
        file: 'web/model.json',
        expected: 'a plain path relative to the file',
        found: shown(reference),
        message: expect.stringContaining(`it may lead outside the model, because ${fault}. Expected`) as string,
      }),
    )
  })

  test.each(['1:/w', 'group:1/w', '+a:/w', '%25', '%3a', '2e', 'a..'])('allows %s', (reference) => {
    expect(referencedName('model.json', reference)).toBe(reference)
  })

  test('refuses anything but text', () => {
    const wrong = undefined as unknown as string
    expect(() => referencedName(wrong, 'a')).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the name of the referring file') as string }),
    )
    expect(() => referencedName('a', wrong)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('the reference') as string }),
    )
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
