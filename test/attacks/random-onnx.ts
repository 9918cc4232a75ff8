import { floats } from '../onnx-models.ts'
import type { Random } from './random.ts'
import { INT64, tensor } from './random-tensors.ts'
import { damaged, fields, mutate, written, type WireField } from './wire-trees.ts'

// Random ONNX models (onnx.proto), valid enough that the runtime looks for their weights, with
// tensors wherever the format allows them.

/** @returns the bytes of a model file; some reader accepts most of them, and some are damaged */
export function randomOnnx(random: Random): Buffer {
  const model = new ModelMaker(random).model()
  mutate(random, model, random.chance(0.4) ? 0 : 1 + random.geometric(0.4))
  let bytes = written(model)
  while (random.chance(0.04)) bytes = damaged(random, bytes)
  return bytes
}

const BOOL = 9
const TENSOR = 4
const GRAPH = 5
const TENSORS = 9
const SPARSE = 11
/** Maximum nesting of graphs and functions, which keeps the models small. */
const MOST_NESTED = 3

interface Graph {
  nodes: WireField[][]
  initializers: WireField[][]
  sparse: WireField[][]
}

type Supply = (graph: Graph, name: string, depth: number) => void

class ModelMaker {
  readonly #random: Random
  readonly #functions: WireField[][] = []
  readonly #training: WireField[][] = []
  #names = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** y = x + w0 + w1 + …, with each w from a different place. */
  model(): WireField[] {
    const graph = emptyGraph()
    let sum = 'x'
    for (let count = 1 + this.#random.geometric(0.5); count > 0; count--) {
      const weights = this.#name('w')
      this.#supply(graph, weights, 0)
      const next = this.#name('s')
      graph.nodes.push(node('Add', [sum, weights], [next]))
      sum = next
    }
    graph.nodes.push(node('Identity', [sum], ['y']))
    const inputs = [valueInfo('x', 2), valueInfo('c', 1, BOOL)]
    const opsets = [
      ['', 17],
      ['local', 1],
      ['ai.onnx.ml', 4],
    ] as const
    return [
      ...fields([1, this.#random.pick([8, 9, 10])]),
      ...opsets.flatMap(([domain, version]) => fields([8, fields([1, domain], [2, version])])),
      ...fields([7, graphOf(graph, inputs, [valueInfo('y', 2)])]),
      ...this.#training.flatMap((value) => fields([20, value])),
      ...this.#functions.flatMap((value) => fields([25, value])),
    ]
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  #tensor(name: string): WireField[] {
    return tensor(this.#random, name)
  }

  /** Creates a value with this name in a graph, in some way that needs a tensor. */
  #supply(graph: Graph, name: string, depth: number): void {
    const flat = [
      this.#initializer,
      this.#initializer,
      this.#constant,
      this.#sparse,
      this.#sparseConstant,
      this.#filled,
    ]
    const nested = [this.#branch, this.#loop, this.#scan, this.#function, this.#parameter, this.#preset, this.#idle]
    const rare = [this.#unused, this.#trained, this.#encoder]
    const ways: Supply[] = [...flat, ...(depth < MOST_NESTED ? nested : []), ...rare]
    this.#random.pick(ways).call(this, graph, name, depth)
  }

  #initializer(graph: Graph, name: string): void {
    graph.initializers.push(this.#tensor(name))
  }

  #constant(graph: Graph, name: string): void {
    graph.nodes.push(node('Constant', [], [name], [attribute('value', TENSOR, 5, this.#tensor(name))]))
  }

  #sparseTensor(name: string): WireField[] {
    const random = this.#random
    const positions = new Uint8Array(new BigInt64Array([0n, 1n]).buffer)
    const inside = fields([1, 2], [2, INT64], [9, positions])
    const indices = random.chance(0.3) ? tensor(random, 'indices', positions, INT64) : inside
    return fields([1, this.#tensor(name)], [2, indices], [3, 2])
  }

  #sparse(graph: Graph, name: string): void {
    graph.sparse.push(this.#sparseTensor(name))
  }

  #sparseConstant(graph: Graph, name: string): void {
    graph.nodes.push(node('Constant', [], [name], [attribute('sparse_value', SPARSE, 22, this.#sparseTensor(name))]))
  }

  #filled(graph: Graph, name: string): void {
    const shape = this.#name('shape')
    graph.initializers.push(inline(shape, INT64, new Uint8Array(new BigInt64Array([2n]).buffer)))
    const value = tensor(this.#random, '', floats(1))
    graph.nodes.push(node('ConstantOfShape', [shape], [name], [attribute('value', TENSOR, 5, value)]))
  }

  #inner(depth: number, name: string): Graph {
    const graph = emptyGraph()
    const weights = this.#name('w')
    this.#supply(graph, weights, depth + 1)
    graph.nodes.push(node('Identity', [weights], [name]))
    return graph
  }

  #branch(graph: Graph, name: string, depth: number): void {
    const [yes, no] = ['then_branch', 'else_branch'].map((branch) => {
      const output = this.#name('o')
      return attribute(branch, GRAPH, 6, graphOf(this.#inner(depth, output), [], [valueInfo(output, 2)]))
    })
    graph.nodes.push(node('If', ['c'], [name], [yes!, no!]))
  }

  #loop(graph: Graph, name: string, depth: number): void {
    const [count, state, weights, output, on] = ['n', 'l', 'w', 'o', 'on'].map((prefix) => this.#name(prefix))
    graph.initializers.push(inline(count!, INT64, new Uint8Array(new BigInt64Array([1n]).buffer), false))
    const body = this.#inner(depth, weights!)
    body.nodes.push(node('Add', [state!, weights!], [output!]), node('Identity', [on!], [`${on}2`]))
    const inputs = [valueInfo(`${count}i`, 0, INT64), valueInfo(on!, 0, BOOL), valueInfo(state!, 2)]
    const outputs = [valueInfo(`${on}2`, 0, BOOL), valueInfo(output!, 2)]
    graph.nodes.push(
      node('Loop', [count!, '', 'x'], [name], [attribute('body', GRAPH, 6, graphOf(body, inputs, outputs))]),
    )
  }

  #scan(graph: Graph, name: string, depth: number): void {
    const [state, item, weights, output, collected] = ['l', 'i', 'w', 'o', 'k'].map((prefix) => this.#name(prefix))
    const body = this.#inner(depth, weights!)
    body.nodes.push(node('Add', [state!, weights!], [output!]), node('Identity', [item!], [collected!]))
    const outputs = [valueInfo(output!, 2), valueInfo(collected!, 0)]
    const graphs = graphOf(body, [valueInfo(state!, 2), valueInfo(item!, 0)], outputs)
    const attributes = [attribute('body', GRAPH, 6, graphs), fields([1, 'num_scan_inputs'], [3, 1], [20, 2])]
    graph.nodes.push(node('Scan', ['x', 'x'], [name, this.#name('all')], attributes))
  }

  #function(graph: Graph, name: string, depth: number): void {
    const body = this.#inner(depth, 'out')
    // Functions have no initializers.
    const constants = body.initializers.map((value) => {
      const named = value.find(({ number }) => number === 8)?.value
      return node('Constant', [], [typeof named === 'string' ? named : 'lost'], [attribute('value', TENSOR, 5, value)])
    })
    const sparse = body.sparse.map((value) =>
      node('Constant', [], ['lost'], [attribute('sparse_value', SPARSE, 22, value)]),
    )
    this.#define(graph, name, [...constants, ...sparse, ...body.nodes])
  }

  /** A function whose tensor is an attribute of the call. */
  #parameter(graph: Graph, name: string): void {
    const value = attribute('given', TENSOR, 5, this.#tensor(name))
    this.#define(graph, name, [constantOf('given', 'out')], fields([6, 'given']), [value])
  }

  /** A function with the tensor as the default of its attribute. */
  #preset(graph: Graph, name: string): void {
    const value = attribute('preset', TENSOR, 5, this.#tensor(name))
    this.#define(graph, name, [constantOf('preset', 'out')], fields([11, value]))
  }

  /** A call with attributes that the function does not use. */
  #idle(graph: Graph, name: string, depth: number): void {
    const inner = graphOf(this.#inner(depth, 'idle'), [], [valueInfo('idle', 2)])
    const several = fields([1, 'idle'], [10, this.#tensor('')], [10, this.#tensor('')], [20, TENSORS])
    const value = this.#random.pick([
      several,
      attribute('idle', GRAPH, 6, inner),
      fields([1, 'idle'], [11, inner], [20, 10]),
    ])
    const constant = node('Constant', [], ['out'], [attribute('value', TENSOR, 5, inline('', 1, floats(1, 2)))])
    this.#define(graph, name, [constant], fields([6, 'idle']), [value])
  }

  #define(graph: Graph, output: string, body: WireField[][], more: WireField[] = [], given: WireField[][] = []): void {
    const type = this.#name('F')
    const nodes = body.flatMap((value) => fields([7, value]))
    const opset = fields(
      [9, fields([1, ''], [2, 17])],
      [9, fields([1, 'local'], [2, 1])],
      [9, fields([1, 'ai.onnx.ml'], [2, 4])],
    )
    const head = fields([1, type], [4, 'c'], [4, 'x'], [5, 'out'])
    this.#functions.push([...head, ...more, ...nodes, ...opset, ...fields([10, 'local'])])
    graph.nodes.push([...node(type, ['c', 'x'], [output], given), ...fields([7, 'local'])])
  }

  #unused(graph: Graph, name: string): void {
    graph.initializers.push(this.#tensor(this.#name('unused')), inline(name, 1, floats(1, 2)))
  }

  #trained(graph: Graph, name: string): void {
    const inner = graphOf({ ...emptyGraph(), initializers: [this.#tensor('t')] }, [], [])
    this.#training.push(fields([this.#random.pick([1, 2]), inner]))
    graph.initializers.push(inline(name, 1, floats(1, 2)))
  }

  /** An operator that takes tensors as attributes. */
  #encoder(graph: Graph, name: string): void {
    const [keys, values] = ['keys_tensor', 'values_tensor'].map((key) => attribute(key, TENSOR, 5, this.#tensor('')))
    graph.nodes.push([...node('LabelEncoder', ['x'], [name], [keys!, values!]), ...fields([7, 'ai.onnx.ml'])])
  }
}

function emptyGraph(): Graph {
  return { nodes: [], initializers: [], sparse: [] }
}

function graphOf({ nodes, initializers, sparse }: Graph, inputs: WireField[][], outputs: WireField[][]): WireField[] {
  return [
    ...nodes.flatMap((value) => fields([1, value])),
    ...fields([2, 'graph']),
    ...initializers.flatMap((value) => fields([5, value])),
    ...sparse.flatMap((value) => fields([15, value])),
    ...inputs.flatMap((value) => fields([11, value])),
    ...outputs.flatMap((value) => fields([12, value])),
  ]
}

function node(operator: string, inputs: string[], outputs: string[], attributes: WireField[][] = []): WireField[] {
  return [
    ...inputs.flatMap((value) => fields([1, value])),
    ...outputs.flatMap((value) => fields([2, value])),
    ...fields([4, operator]),
    ...attributes.flatMap((value) => fields([5, value])),
  ]
}

function attribute(name: string, type: number, number: number, value: WireField[]): WireField[] {
  return fields([1, name], [number, value], [20, type])
}

/** A constant that takes its tensor from an attribute of the function around it. */
function constantOf(parameter: string, output: string): WireField[] {
  return node('Constant', [], [output], [fields([1, 'value'], [20, TENSOR], [21, parameter])])
}

function inline(name: string, type: number, values: Uint8Array, vector = true): WireField[] {
  const size = type === INT64 ? 8 : 4
  return [...(vector ? fields([1, values.length / size]) : []), ...fields([2, type], [8, name], [9, values])]
}

/** A vector of this size, or a scalar if the size is 0. */
function valueInfo(name: string, size: number, type = 1): WireField[] {
  const shape = size === 0 ? [] : fields([1, fields([1, size])])
  return fields([1, name], [2, fields([1, fields([1, type], [2, shape])])])
}
