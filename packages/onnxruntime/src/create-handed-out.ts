import { ModelSealError } from '@modelseal/core'
import { referencedName, shown } from '@modelseal/core/adapter'
import type { InferenceSession } from 'onnxruntime-node'
import { bytesInMemory, inTurns, withBytesOfFile } from '@modelseal/core/formats'
import { externalDataAt, referencesOf, type OnnxInMemory } from './model-files.ts'
import { createSessionIn, type OnnxRuntime } from './open-onnx.ts'
import { checkedAgain, sessionOptionsFor } from './session-options.ts'

/** A verified model in memory that was handed to other code and came back. */
export interface HandedOutModel {
  /** Name of the model file. */
  name: string
  /** The bytes that were handed out, in a buffer that no other code has. */
  bytes: Uint8Array<ArrayBuffer>
  /**
   * Returns the bytes of another file of the model, if they came back unchanged.
   *
   * @param location the reference to the file in the model
   * @throws {@link ModelSealError} if they are missing or changed
   */
  dataOf: (name: string, location: string) => Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Creates a session of a verified model that has since passed through other code. Whatever options came back with it, the
 * runtime takes weights only from verified bytes and reads no files.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `PATH_ESCAPES`, `MODEL_FORMAT`, `INVALID_ARGUMENT` (session options)
 */
export async function createFromHandedOut(
  ort: OnnxRuntime,
  { name, bytes, dataOf }: HandedOutModel,
  givenSessionOptions: unknown,
): Promise<InferenceSession> {
  const options = checkedAgain(givenSessionOptions)
  const { format, locations, elsewhere } = await inTurns(referencesOf(bytesInMemory(bytes), name))
  if (elsewhere && locations.length > 0) throw notInMemory(name)
  const externalData: OnnxInMemory['externalData'] = []
  for (const path of locations)
    externalData.push(...externalDataAt(path, await dataOf(referencedName(name, path), path)))
  const model = { bytes, format, externalData }
  return createSessionIn(ort, model, sessionOptionsFor(model, options))
}

/** A verified model in a directory of placed files. */
export interface PlacedModel {
  /** Absolute. */
  path: string
  /** Name of the model file among the placed names. */
  name: string
  placed: ReadonlySet<string>
}

/**
 * Like {@link createFromHandedOut}, for a placed model.
 *
 * @throws {@link ModelSealError} as {@link createFromHandedOut}
 */
export async function createFromPlaced(
  ort: OnnxRuntime,
  { path, name, placed }: PlacedModel,
  givenSessionOptions: unknown,
): Promise<InferenceSession> {
  const options = checkedAgain(givenSessionOptions)
  const { format, locations } = await inTurns(withBytesOfFile(path, name, (source) => referencesOf(source, name)))
  const missing = locations.find((location) => !placed.has(referencedName(name, location)))
  if (missing !== undefined) throw notPlaced(name, missing)
  return createSessionIn(ort, { path }, sessionOptionsFor({ format }, options))
}

function notInMemory(file: string): ModelSealError {
  return new ModelSealError(
    'ISOLATION_REFUSED',
    `Cannot load the model ${shown(file)} from memory: it has external data outside its main graph's initializers, which ONNX Runtime only loads from files.`,
    { file, expected: 'the isolation "copy"', found: '"memory"', hint: 'Load the model by its path.' },
  )
}

function notPlaced(file: string, location: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load the model ${shown(file)}: its weights in ${shown(location)} were not placed together with it.`,
    { file: location, hint: 'Place the model and everything that it refers to in one call, as placeOnnx() does.' },
  )
}
