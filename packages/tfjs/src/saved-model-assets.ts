import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { WireReader, type ByteSource, type Steps } from '@modelseal/core/formats'

/**
 * Lists the files that a SavedModel names as its assets, relative to `assets` as in TensorFlow. Reads the wire level
 * of protobuf, so that the graph is skipped.
 *
 * @param model the bytes of `saved_model.pb` (saved_model.proto of TensorFlow)
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function* savedModelAssets(model: ByteSource, file: string): Steps<string[]> {
  try {
    return yield* assetsIn(model)
  } catch (cause) {
    throw new ModelSealError('MODEL_FORMAT', `Cannot read the SavedModel ${shown(file)}: it is damaged.`, {
      file,
      cause,
    })
  }
}

type Message = 'model' | 'meta graph' | 'collection entry' | 'collection' | 'any list'
type Leaf = 'asset' | 'any'

/**
 * saved_model.proto and meta_graph.proto: the fields of each message that lead to an asset, by number. Models of TensorFlow 1
 * name their assets in a collection. TensorFlow looks for one collection by name, but all are read here.
 */
const CHILDREN: Record<Message, Readonly<Record<number, Message | Leaf>>> = {
  model: { 2: 'meta graph' },
  'meta graph': { 4: 'collection entry', 6: 'asset' },
  'collection entry': { 2: 'collection' },
  collection: { 5: 'any list' },
  'any list': { 1: 'any' },
}

/** google.protobuf.Any. */
const ANY_TYPE_URL = 1
const ANY_VALUE = 2
/** AssetFileDef.filename. */
const FILENAME = 2

/** Maximum number of fields, where a graph counts as one. Real models have some hundred. */
const MAX_FIELDS = 100_000
/** Maximum total size of the messages that name assets. */
const MAX_ASSET_BYTES = 16 * 1024 * 1024
/** Number of fields read in one step, because reading the clock costs more than reading a field. */
const FIELDS_PER_STEP = 64

function* assetsIn(model: ByteSource): Steps<string[]> {
  const reader = new WireReader<WireType>(model, BinaryReader)
  const assets: string[] = []
  const around: { message: Message; end: number }[] = []
  let current: { message: Message; end: number } | undefined = { message: 'model', end: model.length }
  const read: Count = { fields: 0 }
  let bytes = 0
  while (current) {
    if (reader.pos >= current.end) {
      if (reader.pos > current.end) throw new RangeError('a field is longer than the message around it')
      current = around.pop()
      continue
    }
    if (countField(read)) yield
    const [field, wireType] = reader.tag()
    if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) throw new RangeError('it uses groups')
    if (wireType !== WireType.LengthDelimited) {
      reader.skipNumber(wireType)
      continue
    }
    const end = reader.endOfField()
    if (end > current.end) throw new RangeError('a field is longer than the message around it')
    const child = CHILDREN[current.message][field]
    if (child === undefined) reader.skipTo(end)
    else if (child === 'asset' || child === 'any') {
      bytes += end - reader.pos
      if (bytes > MAX_ASSET_BYTES) throw new RangeError(`more than ${MAX_ASSET_BYTES} bytes that name assets`)
      const leaf = reader.bytesTo(end)
      for (const name of yield* child === 'asset' ? fileNames(leaf, read) : fileNamesInAny(leaf, read))
        assets.push(name)
    } else {
      around.push(current)
      current = { message: child, end }
    }
  }
  return assets
}

function* fileNamesInAny(any: Uint8Array, read: Count): Steps<string[]> {
  const types = yield* messagesIn(any, ANY_TYPE_URL, read)
  if (!types.some((type) => text(type).endsWith('/tensorflow.AssetFileDef'))) return []
  const names: string[] = []
  for (const value of yield* messagesIn(any, ANY_VALUE, read))
    for (const name of yield* fileNames(value, read)) names.push(name)
  return names
}

function* fileNames(assetFileDef: Uint8Array, read: Count): Steps<string[]> {
  const names: string[] = []
  for (const bytes of yield* messagesIn(assetFileDef, FILENAME, read)) {
    names.push(text(bytes))
    if (names.length % FIELDS_PER_STEP === 0) yield
  }
  return names
}

/** All occurrences of one field of a message, although other parsers may only use the last. */
function* messagesIn(message: Uint8Array, wanted: number, read: Count): Steps<Uint8Array[]> {
  const reader = new BinaryReader(message)
  const found: Uint8Array[] = []
  while (reader.pos < reader.len) {
    if (countField(read)) yield
    const [field, wireType] = reader.tag()
    if (field === wanted && wireType === WireType.LengthDelimited) found.push(reader.bytes())
    else reader.skip(wireType, field)
  }
  return found
}

interface Count {
  fields: number
}

/** @returns true at the end of a step */
function countField(read: Count): boolean {
  if (++read.fields > MAX_FIELDS) throw new RangeError(`more than ${MAX_FIELDS} fields`)
  return read.fields % FIELDS_PER_STEP === 0
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function text(bytes: Uint8Array): string {
  return UTF8.decode(bytes)
}
