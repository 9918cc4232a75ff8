import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addingModel,
  branchingModel,
  entry,
  externalTensor,
  graph,
  graphAttribute,
  inlineTensor,
  message,
  model,
  node,
  tensorAttribute,
} from '../../../test/onnx-models.ts'
import { bytesInMemory, type ByteSource } from '@modelseal/core/formats'
import * as references from './external-references.ts'

const refused = expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_FORMAT' })

function externalFiles(source: ByteSource, file: string): references.ExternalFiles {
  const steps = references.externalFiles(source, file)
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

function externalReferences(source: ByteSource, file: string): references.ExternalReferences {
  const { locations, elsewhere } = externalFiles(source, file)
  return { locations, elsewhere }
}

/** Returns no more bytes than requested. */
function narrow(bytes: Uint8Array): ByteSource {
  return { length: bytes.length, from: (offset, least) => bytes.subarray(offset, offset + least) }
}

const scan = (bytes: Uint8Array) => {
  const references = externalReferences(narrow(bytes), 'model.onnx')
  expect(externalReferences(bytesInMemory(bytes), 'model.onnx')).toEqual(references)
  return references
}
const initializers = (...locations: string[]) => ({ locations, elsewhere: false })

describe('determines how much of a file a model needs', () => {
  const external = (dims: Uint8Array | number, type: number, ...entries: [string, string][]) =>
    message(
      [1, dims],
      [2, type],
      ...entries.map(([key, value]): [number, Uint8Array] => [13, entry(key, value)]),
      [13, entry('location', 'w.bin')],
      [14, 1],
    )
  const needed = (...tensors: Uint8Array[]) =>
    externalFiles(narrow(model(graph({ initializers: tensors }))), 'model.onnx').needed.get('w.bin')
  const packed = (...dims: number[]) => Uint8Array.from(dims)

  test.each<[string, Uint8Array[], number]>([
    ['by offset and length', [external(2, 1, ['offset', '4096'], ['length', '8'])], 4104],
    ['by shape and type', [external(2, 1)], 8],
    ['by a shape of several dimensions', [external(packed(3, 4, 5), 11)], 480],
    ['by shape if the length is less', [external(100, 7, ['offset', '16'], ['length', '8'])], 816],
    ['by length if the shape is less', [external(1, 2, ['length', '900'])], 900],
    ['by the last of several tensors', [external(2, 1, ['offset', '8']), external(2, 1)], 16],
    ['by the largest of repeated entries', [external(2, 1, ['offset', '8'], ['offset', '80'])], 88],
    ['by the largest type if the type is unknown', [external(2, 99)], 32],
    ['for a scalar', [external(packed(), 1)], 4],
    ['for a tensor without values', [external(packed(0, 9), 1, ['offset', '64'])], 64],
    ['without limit if an offset is not a number', [external(2, 1, ['offset', '0x8'])], Infinity],
    ['without limit if a length is not a number', [external(2, 1, ['length', '-1'])], Infinity],
  ])('%s', (_, tensors, bytes) => {
    expect(needed(...tensors)).toBe(bytes)
  })
})

describe('finds', () => {
  test('nothing in a model that contains its weights', () => {
    expect(scan(model(graph({ initializers: [inlineTensor('w', 1, 2)] })))).toEqual(initializers())
  })

  test('every file that an initializer names, once', () => {
    const tensors = ['b.bin', 'a/c.bin', 'b.bin'].map((location, i) => externalTensor(`w${i}`, 2, location))
    expect(scan(model(graph({ initializers: tensors })))).toEqual(initializers('b.bin', 'a/c.bin'))
  })

  test('the files of both graphs if the field is repeated, because the runtime merges them', () => {
    const second = graph({ initializers: [externalTensor('v', 2, 'second.bin')] })
    expect(scan(model(graph({ initializers: [externalTensor('w', 2, 'first.bin')] }), [7, second]))).toEqual(
      initializers('first.bin', 'second.bin'),
    )
  })

  test('all locations of a tensor with several entries, and of an entry with several values', () => {
    const tensor = message(
      [13, entry('location', 'a.bin')],
      [13, entry('location', 'b.bin')],
      [13, message([1, 'length'], [2, 'c.bin'], [1, 'location'], [2, 'd.bin'])],
      [14, 1],
    )
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual(initializers('a.bin', 'b.bin', 'c.bin', 'd.bin'))
  })

  test('no leftover external data of a tensor that contains its values', () => {
    const tensor = message([1, 1], [2, 1], [9, new Uint8Array(4)], [13, entry('location', 'old.bin')])
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual(initializers())
  })

  test('the location of a tensor whose data_location is 1 in the lower 32 bits only', () => {
    const tensor = message([13, entry('location', 'a.bin')], [14, 2 ** 32 + 1])
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual(initializers('a.bin'))
  })
})

describe('detects external data outside the initializers of the main graph:', () => {
  const external = externalTensor('w', 2, 'w.bin')
  const subgraph = graph({ initializers: [external] })
  const constant = node('Constant', [], ['w'], [tensorAttribute('value', external)])
  test.each<[string, Uint8Array]>([
    ['an initializer of a subgraph', branchingModel('w.bin')],
    ['a subgraph in a list', model(graph({ nodes: [node('Op', [], [], [message([11, subgraph])])] }))],
    ['a tensor attribute', model(graph({ nodes: [constant] }))],
    ['a tensor in a list', model(graph({ nodes: [node('Op', [], [], [message([10, external])])] }))],
    ['a sparse attribute', model(graph({ nodes: [node('Op', [], [], [message([22, message([1, external])])])] }))],
    ['a sparse list', model(graph({ nodes: [node('Op', [], [], [message([23, message([2, external])])])] }))],
    ['the values of a sparse initializer', model(graph({ sparse: [message([1, external])] }))],
    ['the indices of a sparse initializer', model(graph({ sparse: [message([2, external])] }))],
    ['a node of a function', model(graph({}), [25, message([7, constant])])],
    ['a default attribute of a function', model(graph({}), [25, message([11, tensorAttribute('a', external)])])],
    ['an initialization for training', model(graph({}), [20, message([1, subgraph])])],
    ['an algorithm for training', model(graph({}), [20, message([2, subgraph])])],
    [
      'an attribute in two parts, as the runtime merges them',
      model(
        graph({
          nodes: [node('Op', [], [], [message([5, message([14, 1])], [5, message([13, entry('location', 'w.bin')])])])],
        }),
      ),
    ],
  ])('%s', (_, bytes) => {
    expect(scan(bytes)).toEqual({ locations: ['w.bin'], elsewhere: true })
  })

  test('nothing if a tensor there only has a leftover file name', () => {
    const old = tensorAttribute('value', message([13, entry('location', 'old.bin')]))
    expect(scan(model(graph({ nodes: [node('Constant', [], ['w'], [old])] })))).toEqual(initializers())
  })

  test('an external tensor there that names no file', () => {
    const constant = node('Constant', [], ['w'], [tensorAttribute('value', message([14, 1]))])
    expect(scan(model(graph({ nodes: [constant] })))).toEqual({ locations: [], elsewhere: true })
  })
})

describe('refuses', () => {
  test.each<[string, Uint8Array]>([
    ['an empty file', new Uint8Array(0)],
    ['text', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1')],
    ['a model without a graph', message([1, 8])],
    ['a field longer than the file', new Uint8Array([0x3a, 0x05, 0x00])],
    ['a field longer than its message', message([7, new Uint8Array([0x2a, 0x04, 0x00])])],
    ['a length of 4 GiB', new Uint8Array([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['an endless varint', model(new Uint8Array(20).fill(0xff))],
    ['a field with the number 0', model(new Uint8Array([0x02, 0x00]))],
    ['a group', message([7, new Uint8Array([0x0b, 0x0c])])],
    ['the end of a group', message([7, new Uint8Array([0x0c])])],
    ['a context compiled for an execution provider', model(graph({ nodes: [node('EPContext', [], [])] }))],
    [
      'a location that is not UTF-8',
      model(
        graph({ initializers: [message([13, message([1, 'location'], [2, new Uint8Array([0x61, 0xff])])], [14, 1])] }),
      ),
    ],
    ['a location longer than any path', addingModel('w'.repeat(4097))],
  ])('%s', (_, bytes) => {
    expect(() => scan(bytes)).toThrow(refused)
  })

  test('subgraphs nested more than 100 deep', () => {
    let inner = graph({})
    for (let i = 0; i < 40; i++) inner = graph({ nodes: [node('If', [], [], [graphAttribute('then_branch', inner)])] })
    expect(() => scan(model(inner))).toThrow(refused)
  })

  test('more than 20 million fields', () => {
    const fields = new Uint8Array(2 * 20_000_001).fill(0x08)
    const bytes = bytesInMemory(message([7, fields]))
    expect(() => externalReferences(bytes, 'model.onnx')).toThrow(refused)
  })

  test('arbitrary bytes only with a typed error', () => {
    const whole = addingModel('w.bin')
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = cut ? whole.slice(0, at) : whole.slice()
        if (!cut) bytes[at] = byte
        try {
          expect(scan(bytes).locations).toBeInstanceOf(Array)
        } catch (error) {
          expect(error).toEqual(refused)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

test('a byte order mark in a location is part of the name', () => {
  expect(scan(addingModel('\ufeffw.bin')).locations).toEqual(['\ufeffw.bin'])
})
