import { isUtf8 } from 'node:buffer'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError, shown } from '@modelseal/core'

/**
 * Lists the files outside an ONNX model that its tensors name, each as the model has it, once.
 *
 * The model is read on the wire level of protobuf, and weights are skipped over, not copied.
 * Where the runtime would merge repeated fields or take the last, every occurrence counts here,
 * so that no tensor is external to the runtime only.
 *
 * @param model the bytes of the file
 * @param file its name, for messages
 * @throws {@link ModelSealError} `MODEL_FORMAT` for what is not ONNX, is damaged, or has external
 * data where the runtime cannot be given it
 */
export function externalDataLocations(model: Uint8Array, file: string): string[] {
  if (isOrtFormat(model)) {
    throw fault(file, 'it is in ORT format, whose files cannot be checked', 'Load the ".onnx" file it was made from.')
  }
  const scan: Scan = { reader: new BinaryReader(model), file, fields: 0, graphs: 0, locations: new Set() }
  try {
    scanMessage(scan, 'model', model.length, 0)
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    throw fault(file, 'it is truncated or not protobuf', undefined, error)
  }
  if (scan.graphs === 0) throw fault(file, 'it holds no graph')
  return [...scan.locations]
}

interface Scan {
  reader: BinaryReader
  file: string
  fields: number
  graphs: number
  locations: Set<string>
}

type Message = 'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparse tensor' | 'tensor'

/** onnx.proto: the fields through which a message leads to a tensor, by number. */
const CHILDREN: Record<Message, Readonly<Record<number, Message>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse tensor' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse tensor', 23: 'sparse tensor' },
  'sparse tensor': { 1: 'tensor', 2: 'tensor' },
  tensor: {},
}

/** onnx.proto: NodeProto.op_type. */
const OP_TYPE = 4
/** onnx.proto: TensorProto.external_data and TensorProto.data_location. */
const EXTERNAL_DATA = 13
const DATA_LOCATION = 14
/** onnx.proto: StringStringEntryProto. */
const KEY = 1
const VALUE = 2

/** Of messages within messages: the limit of the runtime's own protobuf parser. */
const MAX_DEPTH = 100
/** Fields in all; the largest tables of strings in real models have some millions. */
const MAX_FIELDS = 20_000_000
/** An initializer of the main graph: ModelProto.graph.initializer. */
const MAIN_INITIALIZER_DEPTH = 2

function scanMessage(scan: Scan, message: Message, end: number, depth: number): void {
  const { reader } = scan
  if (depth > MAX_DEPTH) throw fault(scan.file, `its messages are nested more than ${MAX_DEPTH} deep`)
  if (message === 'graph') scan.graphs++
  let external = false
  const locations: string[] = []
  while (reader.pos < end) {
    const [field, wireType] = nextField(scan)
    const child = CHILDREN[message][field]
    if (wireType === WireType.LengthDelimited && child) scanMessage(scan, child, endOfNext(scan, end), depth + 1)
    else if (wireType === WireType.LengthDelimited && message === 'node' && field === OP_TYPE) checkOperator(scan)
    else if (wireType === WireType.LengthDelimited && message === 'tensor' && field === EXTERNAL_DATA)
      locations.push(...scanEntry(scan, endOfNext(scan, end)))
    // DEFAULT is 0. Like the runtime, this looks at the lower 32 bits.
    else if (wireType === WireType.Varint && message === 'tensor' && field === DATA_LOCATION)
      external ||= reader.uint32() !== 0
    else reader.skip(wireType, field)
  }
  if (reader.pos !== end) throw fault(scan.file, 'a field is longer than the message around it')
  if (!external) return
  if (depth !== MAIN_INITIALIZER_DEPTH) throw notServable(scan.file, locations)
  for (const location of locations) scan.locations.add(location)
}

/** The value of an entry whose key is `location`; of repeated keys and values, all count. */
function scanEntry(scan: Scan, end: number): string[] {
  const { reader } = scan
  let isLocation = false
  const values: string[] = []
  while (reader.pos < end) {
    const [field, wireType] = nextField(scan)
    if (wireType === WireType.LengthDelimited && field === KEY) isLocation ||= text(reader.bytes()) === 'location'
    else if (wireType === WireType.LengthDelimited && field === VALUE) values.push(location(scan.file, reader.bytes()))
    else reader.skip(wireType, field)
  }
  if (reader.pos !== end) throw fault(scan.file, 'a field is longer than the message around it')
  return isLocation ? values : []
}

function nextField(scan: Scan): [number, WireType] {
  if (++scan.fields > MAX_FIELDS) throw fault(scan.file, `it has more than ${MAX_FIELDS} fields`)
  const tag = scan.reader.tag()
  // ONNX has no groups; a reader that knows none would see something else in them.
  if (tag[1] === WireType.StartGroup || tag[1] === WireType.EndGroup)
    throw fault(scan.file, 'it uses protobuf groups, which ONNX does not have')
  return tag
}

function endOfNext({ reader, file }: Scan, end: number): number {
  const length = reader.uint32()
  if (length > end - reader.pos) throw fault(file, 'a field is longer than the message around it')
  return reader.pos + length
}

/** A compiled context may lie in another file, which the execution provider would open by itself. */
function checkOperator({ reader, file }: Scan): void {
  if (text(reader.bytes()) !== 'EPContext') return
  throw fault(
    file,
    'it holds a context compiled for one execution provider, which may read further files',
    'Load the model that the context was compiled from.',
  )
}

function location(file: string, bytes: Uint8Array): string {
  // Otherwise the runtime would look for another name than the one that was checked.
  if (!isUtf8(bytes)) throw fault(file, 'the name of an external file is not valid UTF-8')
  return text(bytes)
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** FlatBuffers: the file identifier stands at offset 4. */
function isOrtFormat(model: Uint8Array): boolean {
  return text(model.subarray(4, 8)) === 'ORTM'
}

/**
 * ONNX Runtime (1.30) takes the external data of the main graph's initializers from memory, but
 * reads that of subgraphs and attributes from the disk, whatever it was given.
 */
function notServable(file: string, locations: readonly string[]): ModelSealError {
  return new ModelSealError(
    'MODEL_FORMAT',
    `The model ${shown(file)} has external data outside its main graph's initializers, which ONNX Runtime would read unchecked.`,
    {
      file,
      expected: 'external data for initializers of the main graph only',
      found: locations.map(shown).join(', ') || 'a tensor that is external',
      hint: 'Save the model with such tensors inside it.',
    },
  )
}

function fault(file: string, what: string, hint?: string, cause?: unknown): ModelSealError {
  return new ModelSealError(
    'MODEL_FORMAT',
    `The file ${shown(file)} is not an ONNX model that can be loaded: ${what}.`,
    {
      file,
      hint,
      cause,
    },
  )
}
