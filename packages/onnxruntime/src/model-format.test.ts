import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { addingModel, inlineTensor, message } from '../../../test/onnx-models.ts'
import { bytesInMemory, inTurns, withBytesOfFile, type ByteSource, type Steps } from '@modelseal/core/formats'
import { externalFiles } from './external-references.ts'
import { checkOrtModel, formatOf } from './model-format.ts'

const directory = mkdtempSync(join(tmpdir(), 'modelseal-test-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function written(...parts: Uint8Array[]): string {
  const path = join(directory, 'model')
  writeFileSync(path, Buffer.concat(parts))
  return path
}

/** Returns what a parser returns for a file. */
function inFile<T>(path: string, parse: (source: ByteSource) => Steps<T>): Promise<T> {
  return inTurns(withBytesOfFile(path, 'model', parse))
}

function* format(source: ByteSource): Steps<string> {
  return formatOf(source)
}

const ort = Buffer.from([0x18, 0, 0, 0, ...Buffer.from('ORTM'), ...Buffer.alloc(100)])
const refused = expect.objectContaining({
  name: 'ModelSealError',
  code: 'MODEL_FORMAT',
  file: 'm.ort',
  message: expect.stringContaining(
    'Cannot load the ONNX model "m.ort": it contains a context compiled for one execution provider',
  ) as string,
  hint: expect.any(String) as string,
})

describe('the format of a file', () => {
  test.each([
    ['ORT by its identifier', ort, 'ORT'],
    ['ONNX without an identifier', addingModel('w.bin'), 'ONNX'],
    ['ONNX if the identifier is elsewhere', Buffer.from('ORTMORT'), 'ONNX'],
    ['ONNX if the file is too short', Buffer.from('\x18\0\0\0ORT'), 'ONNX'],
    ['ONNX if the file is empty', new Uint8Array(0), 'ONNX'],
  ])('is %s', async (_, bytes, expected) => {
    expect(formatOf(bytesInMemory(bytes))).toBe(expected)
    expect(await inFile(written(bytes), format)).toBe(expected)
  })
})

describe('a compiled context in ORT format is refused', () => {
  const searched = 1024 * 1024
  test.each([0, searched - 9, searched - 5, searched - 1, searched, 2 * searched + 17])(
    'at offset %d',
    async (offset) => {
      const bytes = Buffer.alloc(3 * searched)
      bytes.write('EPContext\0', offset)
      await expect(inTurns(checkOrtModel(bytesInMemory(bytes), 'm.ort'))).rejects.toEqual(refused)
      const path = written(bytes)
      await expect(inFile(path, (source) => checkOrtModel(source, 'm.ort'))).rejects.toEqual(refused)
    },
  )

  test('and nothing else is', async () => {
    const path = written(ort, Buffer.from('EPContexts\0'), Buffer.alloc(searched))
    await inFile(path, (source) => checkOrtModel(source, 'm.ort'))
    await inTurns(checkOrtModel(bytesInMemory(ort), 'm.ort'))
  })
})

describe('a model in a file', () => {
  test('is read without its weights, however long they are', async () => {
    const weights = 2 ** 31 - 1000
    const tensor = inlineTensor('w')
    const header = (number: number, length: number) =>
      message([number, length]).map((byte, i) => (i === 0 ? byte | 2 : byte))
    const raw = header(9, weights)
    const initializer = Buffer.concat([header(5, tensor.length + raw.length + weights), tensor, raw])
    const path = written(addingModel('w.bin'), header(7, initializer.length + weights), initializer)
    truncateSync(path, addingModel('w.bin').length + 6 + initializer.length + weights)
    let read = 0
    const references = await inFile(path, (source) =>
      externalFiles(
        {
          length: source.length,
          from(offset, least) {
            const bytes = source.from(offset, least)
            read += bytes.length
            return bytes
          },
        },
        'model',
      ),
    )
    expect(references).toMatchObject({ locations: ['w.bin'], elsewhere: false })
    expect(read).toBeLessThan(1024 * 1024)
  })

  test('is refused if it is missing or a directory', async () => {
    for (const path of [join(directory, 'none'), directory])
      await expect(inFile(path, format)).rejects.toEqual(
        expect.objectContaining({ name: 'ModelSealError', code: 'FILE_UNREADABLE', file: 'model' }),
      )
  })
})
