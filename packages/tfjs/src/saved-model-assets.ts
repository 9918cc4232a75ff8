import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ModelSealError, shown } from '@modelseal/core'

/**
 * Lists the files that a SavedModel names as its assets, as TensorFlow reads them: relative to `assets`.
 * Read on the wire level of protobuf, so that the graph is skipped over.
 *
 * @param bytes of `saved_model.pb` (saved_model.proto of TensorFlow)
 * @throws {@link ModelSealError} `MODEL_FORMAT`
 */
export function savedModelAssets(bytes: Uint8Array, file: string): string[] {
  try {
    return messagesIn(bytes, META_GRAPHS).flatMap((metaGraph) => [
      ...messagesIn(metaGraph, ASSET_FILE_DEF).flatMap(fileNames),
      ...messagesIn(metaGraph, COLLECTION_DEF).flatMap(assetsOfCollection),
    ])
  } catch (cause) {
    throw new ModelSealError('MODEL_FORMAT', `The file ${shown(file)} is not a SavedModel: it is damaged.`, {
      file,
      cause,
    })
  }
}

/** SavedModel.meta_graphs. */
const META_GRAPHS = 2
/** MetaGraphDef.collection_def, a map: models of TensorFlow 1 name their assets there. */
const COLLECTION_DEF = 4
/** MetaGraphDef.asset_file_def. */
const ASSET_FILE_DEF = 6
/** The value of an entry of a map. */
const MAP_VALUE = 2
/** CollectionDef.any_list, its values, and what an Any consists of. */
const ANY_LIST = 5
const ANY_LIST_VALUE = 1
const ANY_TYPE_URL = 1
const ANY_VALUE = 2
/** AssetFileDef.filename. */
const FILENAME = 2

/** Of one message, whose graph is one field; real ones have some hundred. */
const MAX_FIELDS = 100_000

/** Whatever the collection is called: TensorFlow looks for one by its name, and this for all. */
function assetsOfCollection(entry: Uint8Array): string[] {
  return messagesIn(entry, MAP_VALUE)
    .flatMap((collection) => messagesIn(collection, ANY_LIST))
    .flatMap((list) => messagesIn(list, ANY_LIST_VALUE))
    .filter((any) => messagesIn(any, ANY_TYPE_URL).some((type) => text(type).endsWith('/tensorflow.AssetFileDef')))
    .flatMap((any) => messagesIn(any, ANY_VALUE))
    .flatMap(fileNames)
}

function fileNames(assetFileDef: Uint8Array): string[] {
  return messagesIn(assetFileDef, FILENAME).map(text)
}

/** The occurrences of one field of a message: where a reader takes the last, all count here. */
function messagesIn(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message)
  const found: Uint8Array[] = []
  for (let fields = 0; reader.pos < reader.len; fields += 1) {
    if (fields === MAX_FIELDS) throw new RangeError(`more than ${MAX_FIELDS} fields`)
    const [field, wireType] = reader.tag()
    if (field === wanted && wireType === WireType.LengthDelimited) found.push(reader.bytes())
    else reader.skip(wireType, field)
  }
  return found
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
