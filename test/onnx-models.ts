import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

// Builds ONNX models field by field (onnx.proto), so that tests can also build hostile ones.

type Bytes = Uint8Array
type Field = [number, Bytes | string | number]

/** A message of the given fields, in the given order. */
export function message(...fields: Field[]): Bytes {
  const writer = new BinaryWriter()
  for (const [number, value] of fields) {
    if (typeof value === 'number') writer.tag(number, WireType.Varint).int64(value)
    else if (typeof value === 'string') writer.tag(number, WireType.LengthDelimited).string(value)
    else writer.tag(number, WireType.LengthDelimited).bytes(value)
  }
  return writer.finish()
}

export const FLOAT = 1
const UINT8 = 2
const INT64 = 7
const BOOL = 9

export function entry(key: string, value: string): Bytes {
  return message([1, key], [2, value])
}

/** A tensor of floats whose values are in another file. */
export function externalTensor(name: string, size: number, location: string): Bytes {
  return message(
    [1, size],
    [2, FLOAT],
    [8, name],
    [13, entry('location', location)],
    [13, entry('offset', '0')],
    [13, entry('length', String(4 * size))],
    [14, 1],
  )
}

export function floats(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Float32Array(values).buffer)
}

/** A tensor of floats that contains its values. */
export function inlineTensor(name: string, ...values: number[]): Bytes {
  return message([1, values.length], [2, FLOAT], [8, name], [9, floats(...values)])
}

export function value(name: string, size: number, type = FLOAT): Bytes {
  const shape = message([1, message([1, size])])
  return message([1, name], [2, message([1, message([1, type], [2, shape])])])
}

export function node(operator: string, inputs: string[], outputs: string[], attributes: Bytes[] = []): Bytes {
  return message(
    ...inputs.map((name): Field => [1, name]),
    ...outputs.map((name): Field => [2, name]),
    [4, operator],
    ...attributes.map((attribute): Field => [5, attribute]),
  )
}

export function tensorAttribute(name: string, tensor: Bytes): Bytes {
  return message([1, name], [5, tensor], [20, 4])
}

export function graphAttribute(name: string, graph: Bytes): Bytes {
  return message([1, name], [6, graph], [20, 5])
}

export function graph(parts: {
  nodes?: Bytes[]
  initializers?: Bytes[]
  sparse?: Bytes[]
  inputs?: Bytes[]
  outputs?: Bytes[]
}): Bytes {
  const { nodes = [], initializers = [], sparse = [], inputs = [], outputs = [] } = parts
  return message(
    ...nodes.map((item): Field => [1, item]),
    [2, 'graph'],
    ...initializers.map((item): Field => [5, item]),
    ...sparse.map((item): Field => [15, item]),
    ...inputs.map((item): Field => [11, item]),
    ...outputs.map((item): Field => [12, item]),
  )
}

export function model(graphMessage: Bytes, ...further: Field[]): Bytes {
  return message([1, 8], [8, message([1, ''], [2, 17])], [7, graphMessage], ...further)
}

/** y = x + w, for vectors of two, with w in another file. */
export function addingModel(location: string): Bytes {
  return model(
    graph({
      nodes: [node('Add', ['x', 'w'], ['y'])],
      initializers: [externalTensor('w', 2, location)],
      inputs: [value('x', 2)],
      outputs: [value('y', 2)],
    }),
  )
}

/** y = x + w0 + … + wn, with each w in a separate file. */
export function summingModel(names: string[], locationOf: (name: string) => string): Bytes {
  return model(
    graph({
      nodes: [node('Sum', ['x', ...names], ['y'])],
      initializers: names.map((name) => externalTensor(name, 2, locationOf(name))),
      inputs: [value('x', 2)],
      outputs: [value('y', 2)],
    }),
  )
}

const VECTORS = { inputs: [value('x', 2)], outputs: [value('y', 2)] }
const ADDING = node('Add', ['x', 'w'], ['y'])

/** y = x + w, with w as the value of a node, in another file. */
export function constantModel(location: string): Bytes {
  const constant = node('Constant', [], ['w'], [tensorAttribute('value', externalTensor('w', 2, location))])
  return model(graph({ nodes: [constant, ADDING], ...VECTORS }))
}

/** y = x + w, computed by a function of the model whose body has w in another file. */
export function functionModel(location: string): Bytes {
  const constant = node('Constant', [], ['w'], [tensorAttribute('value', externalTensor('w', 2, location))])
  const body: Field[] = [
    [7, constant],
    [7, ADDING],
  ]
  const opsets = message([1, ''], [2, 17])
  const adding = message([1, 'AddW'], [4, 'x'], [5, 'y'], ...body, [9, opsets], [10, 'local'])
  const call = message([1, 'x'], [2, 'y'], [4, 'AddW'], [7, 'local'])
  return model(graph({ nodes: [call], ...VECTORS }), [25, adding], [8, message([1, 'local'], [2, 1])])
}

function sparseTensor(location: string): Bytes {
  const indices = message([1, 2], [2, INT64], [9, new Uint8Array(new BigInt64Array([0n, 1n]).buffer)])
  return message([1, externalTensor('w', 2, location)], [2, indices], [3, 2])
}

/** y = x + w, with the values of the sparse w in another file. */
export function sparseModel(location: string): Bytes {
  return model(graph({ nodes: [ADDING], sparse: [sparseTensor(location)], ...VECTORS }))
}

/** y = x + w, with the sparse w as the value of a node. */
export function sparseConstantModel(location: string): Bytes {
  const value = message([1, 'sparse_value'], [22, sparseTensor(location)], [20, 11])
  return model(graph({ nodes: [node('Constant', [], ['w'], [value]), ADDING], ...VECTORS }))
}

/** y = x + w where w is in another file and only a branch of an `If` names it. */
export function branchingModel(location: string): Bytes {
  const branch = graph({
    nodes: [node('Add', ['x', 'w'], ['z'])],
    initializers: [externalTensor('w', 2, location)],
    outputs: [value('z', 2)],
  })
  return model(
    graph({
      nodes: [node('If', ['c'], ['y'], [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)])],
      inputs: [value('x', 2), value('c', 1, BOOL)],
      outputs: [value('y', 2)],
    }),
  )
}

/** y = w[i], for a byte of a long vector in another file. */
export function lookupModel(location: string, bytes: number): Bytes {
  const weights = message(
    [1, bytes],
    [2, UINT8],
    [8, 'w'],
    [13, entry('location', location)],
    [13, entry('length', String(bytes))],
    [14, 1],
  )
  return model(
    graph({
      nodes: [node('Gather', ['w', 'i'], ['y'])],
      initializers: [weights],
      inputs: [value('i', 1, INT64)],
      outputs: [value('y', 1, UINT8)],
    }),
  )
}
