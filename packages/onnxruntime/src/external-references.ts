import { isUtf8 } from 'node:buffer'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError } from '@modelseal/core'
import { WireReader, type ByteSource, type Steps } from '@modelseal/core/formats'
import { compiledContext, notLoadable } from './model-format.ts'
import { bytesNeeded, type ExternalEntry, type TensorValues } from './tensor-bytes.ts'

/** What an ONNX model says about tensors whose values are in other files. */
export interface ExternalReferences {
  /** The files as written in the model, without repetitions. */
  locations: string[]
  /**
   * Whether any such tensor is not an initializer of the main graph but belongs to a subgraph, a function,
   * training, an attribute or a sparse tensor.
   */
  elsewhere: boolean
}

/** {@link ExternalReferences} and how much of each file the model needs. */
export interface ExternalFiles extends ExternalReferences {
  /**
   * Number of bytes from the beginning of each file that tensors need, by location: the offset plus the length or the
   * size by shape and type, whichever is more. Infinity if the model does not say.
   */
  needed: ReadonlyMap<string, number>
}

/**
 * Lists the external files that the tensors of an ONNX model name, and how much of them the model needs.
 *
 * Reads the model on the wire level of protobuf and skips weights. Where the runtime would merge repeated
 * fields or take the last one, every occurrence counts here, so that the runtime cannot see an external tensor
 * that was missed here.
 *
 * @param model the bytes of the file
 * @param file its name, for messages
 * @param maxFields for tests
 * @throws {@link ModelSealError} `MODEL_FORMAT` if it is not ONNX, is damaged, or contains a compiled context
 */
export function* externalFiles(model: ByteSource, file: string, maxFields = MAX_FIELDS): Steps<ExternalFiles> {
  const scan: Scan = {
    reader: new WireReader(model, BinaryReader),
    file,
    fields: 0,
    maxFields,
    hasGraph: false,
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
  if (!scan.hasGraph) throw notLoadable(file, 'it contains no graph')
  const { elsewhere, initializers, others, needed } = scan
  return { locations: [...new Set(elsewhere ? [...initializers, ...others] : initializers)], elsewhere, needed }
}

interface Scan {
  reader: WireReader<WireType>
  file: string
  fields: number
  maxFields: number
  hasGraph: boolean
  /** Locations in initializers of the main graph that are external. */
  initializers: Set<string>
  /**
   * Locations in all other tensors. The runtime merges the parts of a split tensor, so another part may make it
   * external.
   */
  others: Set<string>
  /** Needed bytes by location. */
  needed: Map<string, number>
  elsewhere: boolean
}

type Message =
  'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparse tensor' | 'tensor' | 'dimensions'

/** onnx.proto: TensorProto.dims and TensorProto.data_type. */
const DIMENSIONS = 1
const DATA_TYPE = 2

/** onnx.proto: the fields of each message that lead to a tensor, by number. */
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

/** Maximum nesting of messages: the limit of the runtime's protobuf parser. */
const MAX_DEPTH = 100
/** Maximum number of fields. The largest string tables in real models have some millions. */
const MAX_FIELDS = 20_000_000
/** Maximum number of entries in a tensor, and of fields in an entry. Real tensors have up to five entries with a key and a value. */
const MOST_ENTRIES = 100
/** Maximum length of a file name. No system has longer paths. */
const MAX_LOCATION_BYTES = 4096
/** Depth of an initializer of the main graph: ModelProto.graph.initializer. */
const MAIN_INITIALIZER_DEPTH = 2

/** Number of fields read in one step, because reading the clock costs more than reading a field. */
const FIELDS_PER_STEP = 64

/** A message that is being read, possibly within others. */
interface Part {
  message: Message
  end: number
  /** Whether a tensor is marked as external. */
  external: boolean
  entries: ExternalEntry[]
  values: TensorValues
}

function part(message: Message, end: number): Part {
  const { entries, values } = message === 'tensor' ? { entries: [], values: { count: 1, type: 0 } } : NO_TENSOR
  return { message, end, external: false, entries, values }
}

/** Shared, because most messages are not tensors. */
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

/** @returns the message in the field if it may contain a tensor */
function scanField(scan: Scan, current: Part): Part | undefined {
  const { reader } = scan
  const { message, values, end } = current
  if (message === 'dimensions') {
    // Repeated numbers may be packed into one field.
    countField(scan)
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
  if (child === 'graph') scan.hasGraph = true
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
  if (isInitializer && !external) return
  const needed = bytesNeeded(entries, values)
  for (const location of entries.flatMap(({ locations }) => locations)) {
    ;(isInitializer ? scan.initializers : scan.others).add(location)
    scan.needed.set(location, Math.max(scan.needed.get(location) ?? 0, needed))
  }
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

/** Length of the longest key that is looked for. */
const LONGEST_KEY = 'location'.length

function locationOf(value: string | undefined, file: string): string {
  // Otherwise the runtime could look for another name than the checked one.
  if (value === undefined) throw notLoadable(file, 'the name of an external file is not valid UTF-8 or too long')
  return value
}

function numberOf(value: string | undefined): number {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : Infinity
}

function nextField(scan: Scan): [number, Exclude<WireType, WireType.StartGroup | WireType.EndGroup>] {
  countField(scan)
  const [field, wireType] = scan.reader.tag()
  // ONNX has no groups. A parser that does not know groups would read them differently.
  if (wireType === WireType.StartGroup || wireType === WireType.EndGroup)
    throw notLoadable(scan.file, 'it is not ONNX, or uses protobuf groups, which ONNX does not have')
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

function countField(scan: Scan): void {
  const { file, maxFields } = scan
  if (++scan.fields > maxFields) throw notLoadable(file, `it has more than ${maxFields} fields`)
}

function tooLong({ file }: Scan): ModelSealError {
  return notLoadable(file, 'a field is longer than the message around it')
}

/** A compiled context may be in another file, which the execution provider would open itself. */
function checkOperator({ reader, file }: Scan, end: number): void {
  if (isText(reader, end, 'EPContext')) throw compiledContext(file)
}

function isText(reader: Scan['reader'], end: number, expected: string): boolean {
  return textTo(reader, end, expected.length) === expected
}

/** @returns undefined if it is longer than that or not UTF-8 */
function textTo(reader: Scan['reader'], end: number, maxBytes: number): string | undefined {
  if (end - reader.pos > maxBytes) {
    reader.skipTo(end)
    return undefined
  }
  const bytes = reader.bytesTo(end)
  if (!isUtf8(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
