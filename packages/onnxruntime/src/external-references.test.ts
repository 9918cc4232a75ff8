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

const refused = expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_FORMAT', file: 'model.onnx' })

function refusedBecause(reason: string): Error {
  const message = expect.stringContaining(`Cannot load the ONNX model "model.onnx": ${reason}.`) as string
  return expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_FORMAT', file: 'model.onnx', message }) as Error
}

function externalFiles(source: ByteSource, file: string, maxFields?: number): references.ExternalFiles {
  const steps = references.externalFiles(source, file, maxFields)
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
const LOCATION = entry('location', 'w.bin')
const many = (count: number, ...field: [number, Uint8Array | string | number]) =>
  Array.from({ length: count }, () => field)
const bytesOf = (count: number, ...bytes: number[]) => Array.from({ length: count }, () => bytes).flat()
const initializers = (...locations: string[]) => ({ locations, elsewhere: false })

describe('determines how much of a file a model needs', () => {
  const external = (dims: Uint8Array | number, type: number, ...entries: [string, string][]) =>
    message(
      [1, dims],
      [2, type],
      ...entries.map(([key, value]): [number, Uint8Array] => [13, entry(key, value)]),
      [13, LOCATION],
      [14, 1],
    )
  const needed = (...tensors: Uint8Array[]) =>
    externalFiles(narrow(model(graph({ initializers: tensors }))), 'model.onnx').needed.get('w.bin')
  const packed = (...dims: number[]) => Uint8Array.from(dims)
  const overflowing = (last: number) => packed(...Array.from({ length: 1200 }, () => 2), last)

  test.each<[string, Uint8Array[], number]>([
    ['by offset and length', [external(2, 1, ['offset', '4096'], ['length', '8'])], 4104],
    ['by shape and type', [external(2, 1)], 8],
    [
      'by shape and type whatever other numbers there are',
      [message([15, 9], [1, 2], [2, 1], [13, LOCATION], [14, 1])],
      8,
    ],
    ['by a shape of several dimensions', [external(packed(3, 4, 5), 11)], 480],
    ['by shape if the length is less', [external(100, 7, ['offset', '16'], ['length', '8'])], 816],
    ['by length if the shape is less', [external(1, 2, ['length', '900'])], 900],
    ['by the last of several tensors', [external(2, 1, ['offset', '8']), external(2, 1)], 16],
    ['by the largest of repeated entries', [external(2, 1, ['offset', '8'], ['offset', '80'])], 88],
    ['by the largest type if the type is unknown', [external(2, 99)], 32],
    ['by the largest type if there is no type', [message([1, 2], [13, LOCATION], [14, 1])], 32],
    ['by the longest of repeated lengths', [external(1, 2, ['length', '900'], ['length', '80'])], 900],
    ['for a scalar', [external(packed(), 1)], 4],
    ['for a tensor in which 0 follows more dimensions than can be multiplied', [external(overflowing(0), 1)], 0],
    ['without limit for more dimensions than can be multiplied', [external(overflowing(1), 1)], Infinity],
    ['for a tensor without values', [external(packed(0, 9), 1, ['offset', '64'])], 64],
    ['without limit if an offset is not a number', [external(2, 1, ['offset', '0x8'])], Infinity],
    ['without limit if a length is not a number', [external(2, 1, ['length', '-1'])], Infinity],
    ['without limit if an offset has more than 15 digits', [external(2, 1, ['offset', '1'.repeat(16)])], Infinity],
    ['by an offset of 15 digits', [external(2, 1, ['offset', '1'.repeat(15)])], 111_111_111_111_119],
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

describe('skips what is not about external data:', () => {
  const fixed32 = (field: number) => Uint8Array.of((field << 3) | 5, 1, 0, 0, 0)
  const fixed64 = (field: number) => Uint8Array.of((field << 3) | 1, 1, 0, 0, 0, 0, 0, 0, 0)
  const tensorOf = (...parts: Uint8Array[]) => model(graph({ initializers: [Buffer.concat(parts)] }))

  test.each<[string, Uint8Array]>([
    ['a data_location that is a number of 32 bits', tensorOf(message([13, LOCATION]), fixed32(14))],
    ['a data_location that is a number of 64 bits', tensorOf(message([13, LOCATION]), fixed64(14))],
    ['a data_location that is a text', tensorOf(message([13, LOCATION], [14, 'x']))],
    ['a data_location that is DEFAULT', tensorOf(message([13, LOCATION], [14, 0]))],
    ['another number in a tensor', tensorOf(message([13, LOCATION], [15, 1]))],
    ['the fields of a tensor in a graph', model(message([2, 1], [13, LOCATION], [14, 1]))],
    ['the description of 101 values', model(message(...many(101, 13, LOCATION)))],
    ['a node whose name is EPContext', model(graph({ nodes: [message([3, 'EPContext'], [4, 'Add'])] }))],
    ['a domain that is EPContext', model(graph({}), [4, 'EPContext'])],
    ['an operator whose name begins with EPContext', model(graph({ nodes: [node('EPContextual', [], [])] }))],
  ])('%s', (_, bytes) => {
    expect(scan(bytes)).toEqual(initializers())
  })

  test.each<[string, Uint8Array]>([
    ['other fields of an entry', message([3, 'a.bin'], [1, 'location'], [4, 1], [2, 'w.bin'])],
    ['numbers with the number of a key or value', message([1, 7], [2, 7], [1, 'location'], [2, 'w.bin'])],
    ['keys that are longer than any known one', message([1, 'locations'], [1, 'location'], [2, 'w.bin'])],
    ['keys that are not UTF-8', message([1, Uint8Array.of(0xff)], [1, 'location'], [2, 'w.bin'])],
  ])('%s', (_, location) => {
    expect(scan(tensorOf(message([13, location], [14, 1])))).toEqual(initializers('w.bin'))
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

  test('besides that of initializers', () => {
    const initializer = externalTensor('v', 2, 'v.bin')
    expect(scan(model(graph({ nodes: [constant], initializers: [initializer] })))).toEqual({
      locations: ['v.bin', 'w.bin'],
      elsewhere: true,
    })
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

const TOO_LONG = 'a field is longer than the message around it'
const DAMAGED = 'it is truncated or not protobuf'
const NO_GRAPH = 'it contains no graph'
const GROUPS = 'it is not ONNX, or uses protobuf groups, which ONNX does not have'
const NAME_INVALID = 'the name of an external file is not valid UTF-8 or too long'

describe('refuses', () => {
  const tensor = (...bytes: number[]) => model(graph({ initializers: [Uint8Array.from(bytes)] }))
  const location = (value: Uint8Array) =>
    model(graph({ initializers: [message([13, message([1, 'location'], [2, value])], [14, 1])] }))

  test.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), NO_GRAPH],
    ['text', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1'), DAMAGED],
    ['a model without a graph', message([1, 8], [2, 'pytorch']), NO_GRAPH],
    ['a model with a function but no graph', message([25, message([7, node('Add', [], [])])]), NO_GRAPH],
    ['a field longer than the file', new Uint8Array([0x3a, 0x05, 0x00]), TOO_LONG],
    ['a field longer than its message', message([7, new Uint8Array([0x2a, 0x04, 0x00])]), TOO_LONG],
    ['a file that ends in the name of an operator', addingModel('w.bin').subarray(0, 20), TOO_LONG],
    ['a length of 4 GiB', new Uint8Array([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]), TOO_LONG],
    ['a number that goes on after its message', message([7, Uint8Array.of(0x08)], [1, 1]), TOO_LONG],
    ['a dimension that goes on after its message', tensor(0x0a, 0x01, 0x80, 0x01), TOO_LONG],
    ['an entry whose number goes on after it', tensor(0x6a, 0x01, 0x18, 0x01), TOO_LONG],
    ['an entry whose key goes on after it', tensor(0x6a, 0x02, 0x0a, 0x01, 0x61), TOO_LONG],
    ['an endless varint', model(new Uint8Array(20).fill(0xff)), DAMAGED],
    ['a field with the number 0', model(new Uint8Array([0x02, 0x00])), DAMAGED],
    ['JSON', new TextEncoder().encode('{"format":"graph-model"}'), GROUPS],
    ['a group', message([7, new Uint8Array([0x0b, 0x0c])]), GROUPS],
    ['the end of a group', message([7, new Uint8Array([0x0c])]), GROUPS],
    ['a location that is not UTF-8', location(new Uint8Array([0x61, 0xff])), NAME_INVALID],
    ['a location longer than any path', addingModel('w'.repeat(4097)), NAME_INVALID],
    [
      'a context compiled for an execution provider',
      model(graph({ nodes: [node('EPContext', [], [])] })),
      'it contains a context compiled for one execution provider, which may read other files',
    ],
  ])('%s', (_, bytes, reason) => {
    expect(() => scan(bytes)).toThrow(refusedBecause(reason))
  })

  test('a damaged file, and says what the parser found', () => {
    expect(() => scan(model(new Uint8Array(20).fill(0xff)))).toThrow(
      expect.objectContaining({ cause: expect.any(Error) as Error }),
    )
  })

  const nested = (levels: number, innermost: Uint8Array) => {
    let inner = innermost
    for (let i = 0; i < levels; i++)
      inner = graph({ nodes: [node('If', [], [], [graphAttribute('then_branch', inner)])] })
    return model(inner)
  }

  test('messages nested more than 100 deep', () => {
    expect(scan(nested(33, graph({})))).toEqual(initializers())
    expect(() => scan(nested(33, graph({ nodes: [node('Add', [], [])] })))).toThrow(
      refusedBecause('its messages are nested more than 100 deep'),
    )
  })

  test('more than 100 entries of external data in one tensor', () => {
    const tensorWith = (entries: number) =>
      model(graph({ initializers: [message(...many(entries, 13, entry('location', 'w.bin')), [14, 1])] }))
    expect(scan(tensorWith(100))).toEqual(initializers('w.bin'))
    expect(() => scan(tensorWith(101))).toThrow(refusedBecause('a tensor has too many entries of external data'))
  })

  test('more than 100 fields in one entry of external data', () => {
    const entryWith = (fields: number) =>
      model(graph({ initializers: [message([13, message([1, 'location'], ...many(fields - 1, 2, 'w'))], [14, 1])] }))
    expect(scan(entryWith(100))).toEqual(initializers('w'))
    expect(() => scan(entryWith(101))).toThrow(refusedBecause('an entry of external data has too many fields'))
  })

  test.each<[string, Uint8Array]>([
    ['fields', message([7, message(...many(99, 2, 'x'))])],
    ['fields and packed dimensions', tensor(0x0a, 94, ...bytesOf(94, 1))],
    ['fields, including those of entries', tensor(0x6a, 0xbc, 0x01, ...bytesOf(94, 0x18, 0x01))],
  ])('too many %s', (_, bytes) => {
    const reading = (maxFields: number) => () => externalFiles(bytesInMemory(bytes), 'model.onnx', maxFields)
    expect(reading(100)).not.toThrow()
    expect(reading(99)).toThrow(refusedBecause('it has more than 99 fields'))
  })

  // With the counters of Stryker, it takes minutes.
  test.skipIf(process.env.MUTATION_FOLDERS !== undefined)('more than 20 million fields', () => {
    const bytes = bytesInMemory(message([7, new Uint8Array(2 * 20_000_001).fill(0x08)]))
    expect(() => externalFiles(bytes, 'model.onnx')).toThrow(refusedBecause('it has more than 20000000 fields'))
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

test('names a file of the longest possible name', () => {
  expect(scan(addingModel('w'.repeat(4096))).locations).toEqual(['w'.repeat(4096)])
})

test('reads 64 fields in one step', () => {
  const steps = references.externalFiles(bytesInMemory(model(graph({}), ...many(6400, 1, 8))), 'model.onnx')
  let turns = 0
  while (!steps.next().done) turns++
  expect(turns).toBe(100)
})

test('a byte order mark in a location is part of the name', () => {
  expect(scan(addingModel('\ufeffw.bin')).locations).toEqual(['\ufeffw.bin'])
})
