import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ModelSealError, type ModelReader } from '@modelseal/core'
import type { FileRequest } from '@modelseal/core/adapter'
import { addingModel, constantModel, externalTensor, graph, message, model } from '../../../test/onnx-models.ts'
import { externalDataAt, gatherOnnx, placeOnnx } from './model-files.ts'

const ENTRY = 'onnx/model.onnx'
const directory = mkdtempSync(join(tmpdir(), 'modelseal-test-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ort = Buffer.from([0x18, 0, 0, 0, ...Buffer.from('ORTM'), ...Buffer.alloc(100)])
const inline = model(graph({ initializers: [] }))
const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

/** What is asked of a reader, and what it answers. */
class Asked {
  readonly placed: unknown[][] = []
  readonly read: FileRequest[][] = []
  /** The files of which it was asked whether they may be in memory. */
  readonly together: (readonly string[])[] = []
  readonly reader: ModelReader
  /** Whether files may be in memory: one answer after another, the last forever. */
  inMemory: boolean[] = [true]
  size = 1
  /** How placing fails: one answer after another. */
  refusals: (Error | undefined)[] = []

  constructor(contents: Record<string, Uint8Array>, signal?: AbortSignal) {
    let written = 0
    this.reader = {
      entry: undefined,
      files: Object.keys(contents),
      signal,
      loads: () => expect.fail('not asked'),
      read: () => expect.fail('not asked'),
      size: () => this.size,
      inMemory: (names) => {
        this.together.push(names)
        return (this.inMemory.length > 1 ? this.inMemory.shift() : this.inMemory[0]) ?? false
      },
      readAll: (requests) => {
        this.read.push([...requests])
        return Promise.resolve(requests.map(({ name }) => Uint8Array.from(contents[name] ?? expect.fail(name))))
      },
      place: (names, ...options) => {
        const refusal = this.refusals.shift()
        if (refusal) return Promise.reject(refusal)
        this.placed.push([names, ...options])
        const file = join(directory, `${written++}`)
        writeFileSync(file, contents[names[0] ?? ''] ?? '')
        return Promise.resolve({ directory, isolation: 'copy', path: () => file })
      },
    } satisfies ModelReader
  }
}

const refused = (code: string, details: object = {}) =>
  expect.objectContaining({ name: 'ModelSealError', code, file: ENTRY, ...details }) as Error
const noCopies = new ModelSealError('ISOLATION_REFUSED', 'No copies.', { found: 'the isolation "in-place"' })
const noPlace = new ModelSealError('ISOLATION_REFUSED', 'No place.')

describe('a model that is placed', () => {
  test('is placed together with the files that it refers to, under their signed names', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin') })
    const placed = await placeOnnx(asked.reader, ENTRY)
    expect(asked.placed).toEqual([[[ENTRY]], [[ENTRY, 'onnx/weights.bin']]])
    expect(placed).toMatchObject({ format: 'ONNX', names: [ENTRY, 'onnx/weights.bin'] })
    expect(placed.path).toBe(placed.files.path(ENTRY))
  })

  test('has nothing else if it is in ORT format', async () => {
    const asked = new Asked({ [ENTRY]: ort })
    expect(await placeOnnx(asked.reader, ENTRY)).toMatchObject({ format: 'ORT', names: [ENTRY] })
    const compiled = new Asked({ [ENTRY]: Buffer.concat([ort, Buffer.from('EPContext\0')]) })
    await expect(placeOnnx(compiled.reader, ENTRY)).rejects.toThrow(refused('MODEL_FORMAT'))
  })

  test('is placed as copies if it refers to files outside its main graph', async () => {
    const asked = new Asked({ [ENTRY]: constantModel('weights.bin') })
    await placeOnnx(asked.reader, ENTRY)
    expect(asked.placed).toEqual([[[ENTRY]], [[ENTRY, 'onnx/weights.bin'], { isolation: 'copy' }]])
  })

  test('is refused if it needs copies, and these are not allowed', async () => {
    const asked = new Asked({ [ENTRY]: constantModel('weights.bin') })
    asked.refusals = [undefined, noCopies]
    await expect(placeOnnx(asked.reader, ENTRY)).rejects.toThrow(
      refused('ISOLATION_REFUSED', {
        message: expect.stringContaining(`"${ENTRY}": it has external data outside`),
        expected: 'the isolation "copy"',
        found: 'the isolation "in-place"',
        hint: expect.stringContaining('"copy"'),
        cause: noCopies,
      }),
    )
  })

  test.each([
    new ModelSealError('FILE_NOT_SIGNED', 'Not signed.'),
    Object.assign(new Error('full'), { code: 'ISOLATION_REFUSED' }),
  ])('is refused for another reason as it is: %s', async (reason) => {
    const asked = new Asked({ [ENTRY]: constantModel('weights.bin') })
    asked.refusals = [undefined, reason]
    await expect(placeOnnx(asked.reader, ENTRY)).rejects.toBe(reason)
  })

  test('is refused if it refers to a file outside its directory', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('../../weights.bin') })
    await expect(placeOnnx(asked.reader, ENTRY)).rejects.toThrow(
      expect.objectContaining({ code: 'PATH_ESCAPES' }) as Error,
    )
    expect(asked.placed).toEqual([[[ENTRY]]])
  })

  test('has at most two gigabytes, and is not placed otherwise', async () => {
    const asked = new Asked({ [ENTRY]: inline })
    asked.size = 2_147_483_647
    await placeOnnx(asked.reader, ENTRY)
    asked.size++
    asked.placed.length = 0
    await expect(placeOnnx(asked.reader, ENTRY)).rejects.toThrow(
      refused('FILE_TOO_LARGE', {
        message: expect.stringContaining(`"${ENTRY}"`),
        expected: 'at most 2147483647 bytes',
        found: '2147483648 bytes',
        hint: expect.stringContaining('external data'),
      }),
    )
    expect(asked.placed).toEqual([])
  })

  test('is not scanned any more once the caller aborts', async () => {
    const controller = new AbortController()
    const asked = new Asked({ [ENTRY]: Buffer.concat([ort, Buffer.alloc(64 * 1024 * 1024)]) }, controller.signal)
    const placing = placeOnnx(asked.reader, ENTRY)
    controller.abort()
    await expect(placing).rejects.toThrow(expect.objectContaining({ code: 'ABORTED' }) as Error)
  })
})

describe('a model that is gathered', () => {
  test('is read as buffers, its external data only as far as it needs it', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin'), 'onnx/weights.bin': bytes('data') })
    expect(await gatherOnnx(asked.reader, ENTRY)).toEqual({
      bytes: Uint8Array.from(addingModel('weights.bin')),
      format: 'ONNX',
      externalData: [{ path: 'weights.bin', data: bytes('data') }],
    })
    expect(asked.read).toEqual([
      [{ name: ENTRY, maxBytes: 2_147_483_647 }],
      [{ name: 'onnx/weights.bin', firstBytes: expect.any(Number) }],
    ])
    expect(asked.placed).toEqual([])
  })

  test('has each file for each location, as far as any of them needs it', async () => {
    const tensors = [
      externalTensor('a', 2, 'w.bin'),
      externalTensor('b', 9, './w.bin'),
      externalTensor('c', 4, 'v.bin'),
    ]
    const asked = new Asked({
      [ENTRY]: model(graph({ initializers: tensors })),
      'onnx/w.bin': bytes('w'),
      'onnx/v.bin': bytes('v'),
    })
    expect(await gatherOnnx(asked.reader, ENTRY)).toMatchObject({
      externalData: [
        { path: 'w.bin', data: bytes('w') },
        { path: './w.bin', data: bytes('w') },
        { path: '././w.bin', data: bytes('w') },
        { path: 'v.bin', data: bytes('v') },
      ],
    })
    expect(asked.read[1]).toEqual([
      { name: 'onnx/w.bin', firstBytes: 36 },
      { name: 'onnx/w.bin', firstBytes: 36 },
      { name: 'onnx/v.bin', firstBytes: 16 },
    ])
  })

  test('is placed if it may not be in memory', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin') })
    asked.inMemory = [false]
    expect(await gatherOnnx(asked.reader, ENTRY)).toMatchObject({ names: [ENTRY, 'onnx/weights.bin'] })
    expect(asked.read).toEqual([])
  })

  test('is in memory after all if it cannot be placed, and may be in memory then', async () => {
    const asked = new Asked({ [ENTRY]: inline })
    asked.inMemory = [false, true]
    asked.refusals = [noPlace]
    expect(await gatherOnnx(asked.reader, ENTRY)).toMatchObject({ externalData: [] })
    asked.inMemory = [false]
    asked.refusals = [noPlace]
    await expect(gatherOnnx(asked.reader, ENTRY)).rejects.toBe(noPlace)
  })

  test('is placed if it refers to files outside its main graph', async () => {
    const asked = new Asked({ [ENTRY]: constantModel('weights.bin') })
    await gatherOnnx(asked.reader, ENTRY)
    expect(asked.placed).toEqual([[[ENTRY, 'onnx/weights.bin'], { isolation: 'copy' }]])
  })

  test('is placed if it may not be in memory together with its files', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin') })
    asked.inMemory = [true, false]
    await gatherOnnx(asked.reader, ENTRY)
    expect(asked.placed).toEqual([[[ENTRY, 'onnx/weights.bin']]])
  })

  test('is in memory together with its files if they cannot be placed, and may be in memory then', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin'), 'onnx/weights.bin': bytes('data') })
    asked.inMemory = [true, false, true]
    asked.refusals = [noPlace]
    expect(await gatherOnnx(asked.reader, ENTRY)).toMatchObject({ externalData: [{ path: 'weights.bin' }] })
    asked.inMemory = [true, false]
    asked.refusals = [noPlace]
    await expect(gatherOnnx(asked.reader, ENTRY)).rejects.toBe(noPlace)
  })

  test('is asked about with all of its files', async () => {
    const asked = new Asked({ [ENTRY]: addingModel('weights.bin'), 'onnx/weights.bin': bytes('data') })
    const all = [ENTRY, 'onnx/weights.bin']
    asked.inMemory = [false, true]
    asked.refusals = [noPlace]
    await gatherOnnx(asked.reader, ENTRY)
    expect(asked.together).toEqual([[ENTRY], [ENTRY], all])
    asked.together.length = 0
    asked.inMemory = [true, false, true]
    asked.refusals = [noPlace]
    await gatherOnnx(asked.reader, ENTRY)
    expect(asked.together).toEqual([[ENTRY], all, all])
  })

  test('has nothing else if it is in ORT format', async () => {
    const gathered = await gatherOnnx(new Asked({ [ENTRY]: ort }).reader, ENTRY)
    expect(gathered).toEqual({ bytes: Uint8Array.from(ort), format: 'ORT', externalData: [] })
  })

  test('has the whole of a file if it is not known how much of it is needed', async () => {
    const dims = Uint8Array.from({ length: 1201 }, () => 2)
    const location = message([1, 'location'], [2, 'w.bin'])
    const endless = message([1, dims], [2, 1], [8, 'w'], [13, location], [14, 1])
    const asked = new Asked({ [ENTRY]: model(graph({ initializers: [endless] })), 'onnx/w.bin': bytes('w') })
    await gatherOnnx(asked.reader, ENTRY)
    expect(asked.read[1]).toEqual([{ name: 'onnx/w.bin' }])
  })

  test('is not scanned any more once the caller aborts', async () => {
    const contents = { [ENTRY]: Buffer.concat([ort, Buffer.alloc(64 * 1024 * 1024)]) }
    const controller = new AbortController()
    const gathering = gatherOnnx(new Asked(contents, controller.signal).reader, ENTRY)
    controller.abort()
    await expect(gathering).rejects.toThrow(expect.objectContaining({ code: 'ABORTED' }) as Error)
  })
})

test('external data is found under its location, also if a leading ./ is removed once', () => {
  const data = bytes('data')
  expect(externalDataAt('w.bin', data)).toEqual([{ path: 'w.bin', data }])
  expect(externalDataAt('./w.bin', data)).toEqual([
    { path: './w.bin', data },
    { path: '././w.bin', data },
  ])
})
