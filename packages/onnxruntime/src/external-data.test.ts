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
import { externalDataLocations } from './external-data.ts'

const refused = expect.objectContaining({ name: 'ModelSealError', code: 'MODEL_FORMAT' })

const scan = (bytes: Uint8Array) => externalDataLocations(bytes, 'model.onnx')

describe('finds', () => {
  test('nothing in a model that holds its weights itself', () => {
    expect(scan(model(graph({ initializers: [inlineTensor('w', 1, 2)] })))).toEqual([])
  })

  test('every file that an initializer names, once', () => {
    const initializers = ['b.bin', 'a/c.bin', 'b.bin'].map((location, i) => externalTensor(`w${i}`, 2, location))
    expect(scan(model(graph({ initializers })))).toEqual(['b.bin', 'a/c.bin'])
  })

  test('the files of both graphs where the field stands twice, as the runtime merges them', () => {
    const second = graph({ initializers: [externalTensor('v', 2, 'second.bin')] })
    expect(scan(model(graph({ initializers: [externalTensor('w', 2, 'first.bin')] }), [7, second]))).toEqual([
      'first.bin',
      'second.bin',
    ])
  })

  test('all locations of a tensor that gives several, and of an entry that gives several values', () => {
    const tensor = message(
      [13, entry('location', 'a.bin')],
      [13, entry('location', 'b.bin')],
      [13, message([1, 'length'], [2, 'c.bin'], [1, 'location'], [2, 'd.bin'])],
      [14, 1],
    )
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual(['a.bin', 'b.bin', 'c.bin', 'd.bin'])
  })

  test('nothing in what is left of external data in a tensor that holds its values', () => {
    const tensor = message([1, 1], [2, 1], [9, new Uint8Array(4)], [13, entry('location', 'old.bin')])
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual([])
  })

  test('the location of a tensor whose data_location is 1 in the lower 32 bits only', () => {
    const tensor = message([13, entry('location', 'a.bin')], [14, 2 ** 32 + 1])
    expect(scan(model(graph({ initializers: [tensor] })))).toEqual(['a.bin'])
  })
})

describe('refuses external data that the runtime would read from the disk:', () => {
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
    ['a default of a function', model(graph({}), [25, message([11, tensorAttribute('a', external)])])],
    ['an initialization for training', model(graph({}), [20, message([1, subgraph])])],
    ['an algorithm for training', model(graph({}), [20, message([2, subgraph])])],
    [
      'an attribute in two parts, as the runtime merges them',
      model(
        graph({
          nodes: [node('Op', [], [], [message([5, message([14, 1])], [5, message([13, entry('location', 'w')])])])],
        }),
      ),
    ],
  ])('%s', (_, bytes) => {
    expect(() => scan(bytes)).toThrow(refused)
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
    ['an ORT format model', new Uint8Array([0x18, 0, 0, 0, ...new TextEncoder().encode('ORTM'), 0, 0])],
    ['a context compiled for an execution provider', model(graph({ nodes: [node('EPContext', [], [])] }))],
    [
      'a location that is not UTF-8',
      model(
        graph({ initializers: [message([13, message([1, 'location'], [2, new Uint8Array([0x61, 0xff])])], [14, 1])] }),
      ),
    ],
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
    expect(() => scan(message([7, fields]))).toThrow(refused)
  })

  test('nothing but by a typed error, whatever the bytes', () => {
    const whole = addingModel('w.bin')
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = cut ? whole.slice(0, at) : whole.slice()
        if (!cut) bytes[at] = byte
        try {
          expect(scan(bytes)).toBeInstanceOf(Array)
        } catch (error) {
          expect(error).toEqual(refused)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

test('a byte order mark in a location is part of the name', () => {
  expect(scan(addingModel('\ufeffw.bin'))).toEqual(['\ufeffw.bin'])
})
