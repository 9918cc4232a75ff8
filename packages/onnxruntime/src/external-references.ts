import { isUtf8 } from 'node:buffer'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError } from '@modelseal/core'
import { WireReader, type ByteSource, type Steps } from '@modelseal/core/formats'
import { compiledContext, notLoadable } from './model-format.ts'

/** What an ONNX model says of tensors whose values lie in other files. */
export interface ExternalReferences {
  /** The files, each as the model has it, once. */
  locations: string[]
  /**
   * True where such a tensor is anything else than an initializer of the main graph: one of a
   * subgraph, of a function or of training, in an attribute, or a part of a sparse tensor.
   */
  elsewhere: boolean
}

/** {@link ExternalReferences}, with how much of each file the model needs. */
export interface ExternalFiles extends ExternalReferences {
  /**
   * Bytes from the beginning of each file, by its location, beyond which no tensor has values: by offset, and by
   * length or by shape and type, whichever is more. Infinity where the model does not say.
   */
  needed: ReadonlyMap<string, number>
}

/**
 * Lists the files outside an ONNX model that its tensors name, and how much of them it needs.
 *
 * The model is read on the wire level of protobuf, and weights are skipped over, not read.
 * Where the runtime would merge repeated fields or take the last, every occurrence counts here,
 * so that no tensor is external to the runtime only.
 *
 * @param model the bytes of the file
 * @param file its name, for messages
 * @throws {@link ModelSealError} `MODEL_FORMAT` for what is not ONNX, is damaged, or holds a compiled context
 */
export function* externalFiles(model: ByteSource, file: string): Steps<ExternalFiles> {
  const scan: Scan = {
    reader: new WireReader(model, BinaryReader),
    file,
    fields: 0,
    graphs: 0,
    initializers: new Set(),
    others: new Set(),
    needed: new Map(),
    elsewhere: false,
  }
  try {
    yield* scanModel(scan, model.length)
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    throw notLoadable(file, 'it is truncated or not protobuf', undefined, error)
  }
  if (scan.graphs === 0) throw notLoadable(file, 'it holds no graph')
  const { elsewhere, initializers, others, needed } = scan
  return { locations: [...new Set(elsewhere ? [...initializers, ...others] : initializers)], elsewhere, needed }
}

interface Scan {
  reader: WireReader<WireType>
  file: string
  fields: number
  graphs: number
  /** Locations in initializers of the main graph that are external. */
  initializers: Set<string>
  /**
   * Locations in all other tensors. The runtime merges the parts of a tensor that comes in several,
   * and another part may say that it is external.
   */
  others: Set<string>
  /** By location. */
  needed: Map<string, number>
  elsewhere: boolean
}

type Message =
  'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparse tensor' | 'tensor' | 'dimensions'

/** onnx.proto: TensorProto.dims and TensorProto.data_type. */
const DIMENSIONS = 1
const DATA_TYPE = 2

/** onnx.proto: the fields through which a message leads to a tensor, by number. */
const CHILDREN: Record<Message, Readonly<Record<number, Message>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse tensor' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse tensor', 23: 'sparse tensor' },
  'sparse tensor': { 1: 'tensor', 2: 'tensor' },
  tensor: { [DIMENSIONS]: 'dimensions' },
  dimensions: {},
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
/** Of a tensor, and fields of each: real ones have up to five, of a key and a value. */
const MOST_ENTRIES = 100
/** Of the name of a file: no path is longer on any system. */
const MAX_LOCATION_BYTES = 4096
/** An initializer of the main graph: ModelProto.graph.initializer. */
const MAIN_INITIALIZER_DEPTH = 2

/** Fields read in one step: to ask for the time costs more than to read a field. */
const FIELDS_PER_STEP = 64

/** A message that is being read, within others. */
interface Part {
  message: Message
  end: number
  /** Of a tensor. */
  external: boolean
  entries: ExternalEntry[]
  values: TensorValues
}

function part(message: Message, end: number): Part {
  const { entries, values } = message === 'tensor' ? { entries: [], values: { count: 1, type: 0 } } : NO_TENSOR
  return { message, end, external: false, entries, values }
}

/** Most messages are no tensors. */
const NO_TENSOR = { entries: [], values: { count: 1, type: 0 } }

function* scanModel(scan: Scan, length: number): Steps<void> {
  const { reader } = scan
  const around: Part[] = []
  let current = part('model', length)
  for (let steps = 1; ; steps++) {
    if (steps % FIELDS_PER_STEP === 0) yield
    if (reader.pos < current.end) {
      const within = scanField(scan, current)
      if (!within) continue
      if (around.push(current) > MAX_DEPTH)
        throw notLoadable(scan.file, `its messages are nested more than ${MAX_DEPTH} deep`)
      current = within
      continue
    }
    checkEnd(scan, current.end)
    if (current.message === 'tensor') countReferences(scan, current, around.length === MAIN_INITIALIZER_DEPTH)
    const parent = around.pop()
    if (!parent) return
    current = parent
  }
}

/** @returns the message that the field is, where a tensor may be in it */
function scanField(scan: Scan, current: Part): Part | undefined {
  const { reader } = scan
  const { message, values, end } = current
  if (message === 'dimensions') {
    // Repeated numbers may come in one field.
    if (++scan.fields > MAX_FIELDS) throw tooManyFields(scan)
    values.count *= reader.uint64()
    return undefined
  }
  const [field, wireType] = nextField(scan)
  if (wireType !== WireType.LengthDelimited) {
    // DEFAULT is 0. Like the runtime, this looks at the lower 32 bits.
    if (wireType !== WireType.Varint || message !== 'tensor') reader.skipNumber(wireType)
    else if (field === DATA_LOCATION) current.external ||= reader.uint32() !== 0
    else if (field === DATA_TYPE) values.type = reader.uint32()
    else if (field === DIMENSIONS) values.count *= reader.uint64()
    else reader.skipNumber(wireType)
    return undefined
  }
  const fieldEnd = endOfField(scan, end)
  const child = CHILDREN[message][field]
  if (child === 'graph') scan.graphs++
  if (child === 'dimensions') return { ...part(child, fieldEnd), values }
  if (child) return part(child, fieldEnd)
  if (message === 'node' && field === OP_TYPE) checkOperator(scan, fieldEnd)
  else if (message === 'tensor' && field === EXTERNAL_DATA) {
    if (current.entries.push(scanEntry(scan, fieldEnd)) > MOST_ENTRIES)
      throw notLoadable(scan.file, 'a tensor has too many entries of external data')
  } else reader.skipTo(fieldEnd)
  return undefined
}

function countReferences(scan: Scan, { external, entries, values }: Part, isInitializer: boolean): void {
  if (external && !isInitializer) scan.elsewhere = true
  if (entries.length === 0 || (isInitializer && !external)) return
  const needed = bytesNeeded(entries, values)
  for (const location of entries.flatMap(({ locations }) => locations)) {
    ;(isInitializer ? scan.initializers : scan.others).add(location)
    scan.needed.set(location, Math.max(scan.needed.get(location) ?? 0, needed))
  }
}

/** What an entry of external data says; of repeated keys and values, all count. */
interface ExternalEntry {
  locations: string[]
  /** In bytes; Infinity for what is no number. */
  offset: number
  length: number
}

function scanEntry(scan: Scan, end: number): ExternalEntry {
  const { reader, file } = scan
  const keys = new Set<string | undefined>()
  const values: (string | undefined)[] = []
  for (let fields = 0; reader.pos < end; fields++) {
    if (fields === MOST_ENTRIES) throw notLoadable(file, 'an entry of external data has too many fields')
    const [field, wireType] = nextField(scan)
    if (wireType !== WireType.LengthDelimited) {
      reader.skipNumber(wireType)
      continue
    }
    const fieldEnd = endOfField(scan, end)
    if (field === KEY) keys.add(textTo(reader, fieldEnd, LONGEST_KEY))
    else if (field === VALUE) values.push(textTo(reader, fieldEnd, MAX_LOCATION_BYTES))
    else reader.skipTo(fieldEnd)
  }
  checkEnd(scan, end)
  const bytes = Math.max(0, ...values.map(numberOf))
  return {
    locations: keys.has('location') ? values.map((value) => locationOf(value, file)) : [],
    offset: keys.has('offset') ? bytes : 0,
    length: keys.has('length') ? bytes : 0,
  }
}

/** Of the keys that are looked for. */
const LONGEST_KEY = 'location'.length

function locationOf(value: string | undefined, file: string): string {
  // Otherwise the runtime would look for another name than the one that was checked.
  if (value === undefined) throw notLoadable(file, 'the name of an external file is not valid UTF-8, or is too long')
  return value
}

function numberOf(value: string | undefined): number {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : Infinity
}

/** The shape of a tensor, and its type. */
interface TensorValues {
  count: number
  type: number
}

/** onnx.proto: TensorProto.DataType. What is not here, or not yet known, takes no more than the largest. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  1: 4, // FLOAT
  2: 1, // UINT8
  3: 1, // INT8
  4: 2, // UINT16
  5: 2, // INT16
  6: 4, // INT32
  7: 8, // INT64
  9: 1, // BOOL
  10: 2, // FLOAT16
  11: 8, // DOUBLE
  12: 4, // UINT32
  13: 8, // UINT64
  14: 8, // COMPLEX64
  16: 2, // BFLOAT16
}
const MOST_VALUE_BYTES = 16

function bytesNeeded(entries: readonly ExternalEntry[], { count, type }: TensorValues): number {
  const offset = Math.max(0, ...entries.map((entry) => entry.offset))
  const length = Math.max(0, ...entries.map((entry) => entry.length))
  // A tensor of infinitely many values and none.
  const bytes = Number.isNaN(count) ? 0 : count * (VALUE_BYTES[type] ?? MOST_VALUE_BYTES)
  return offset + Math.max(length, bytes)
}

function nextField(scan: Scan): [number, Exclude<WireType, WireType.StartGroup | WireType.EndGroup>] {
  if (++scan.fields > MAX_FIELDS) throw tooManyFields(scan)
  const [field, wireType] = scan.reader.tag()
  // ONNX has no groups; a reader that knows none would see something else in them.
  if (wireType === WireType.StartGroup || wireType === WireType.EndGroup)
    throw notLoadable(scan.file, 'it uses protobuf groups, which ONNX does not have')
  return [field, wireType]
}

function endOfField(scan: Scan, end: number): number {
  const fieldEnd = scan.reader.endOfField()
  if (fieldEnd > end) throw tooLong(scan)
  return fieldEnd
}

function checkEnd(scan: Scan, end: number): void {
  if (scan.reader.pos !== end) throw tooLong(scan)
}

function tooManyFields({ file }: Scan): ModelSealError {
  return notLoadable(file, `it has more than ${MAX_FIELDS} fields`)
}

function tooLong({ file }: Scan): ModelSealError {
  return notLoadable(file, 'a field is longer than the message around it')
}

/** A compiled context may lie in another file, which the execution provider would open by itself. */
function checkOperator({ reader, file }: Scan, end: number): void {
  if (isText(reader, end, 'EPContext')) throw compiledContext(file)
}

function isText(reader: Scan['reader'], end: number, expected: string): boolean {
  return textTo(reader, end, expected.length) === expected
}

/** @returns undefined for what is longer than that, or is not UTF-8 */
function textTo(reader: Scan['reader'], end: number, maxBytes: number): string | undefined {
  if (end - reader.pos > maxBytes) {
    reader.skipTo(end)
    return undefined
  }
  const bytes = reader.bytesTo(end)
  if (!isUtf8(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
