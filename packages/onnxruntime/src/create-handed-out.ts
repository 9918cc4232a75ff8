import { ModelSealError, referencedName, shown } from '@modelseal/core'
import type { InferenceSession } from 'onnxruntime-node'
import { bytesInMemory, inTurns, withBytesOfFile } from '@modelseal/core/formats'
import { externalDataAt, referencesOf, type OnnxInMemory } from './model-files.ts'
import { createSessionIn, type OnnxRuntime } from './open-onnx.ts'
import { checkedAgain, sessionOptionsFor } from './session-options.ts'

/** A verified model in memory that comes back from other code. */
export interface HandedOutModel {
  /** Of the model file. */
  name: string
  /** Nobody else has them, and they are what was handed out. */
  bytes: Uint8Array<ArrayBuffer>
  /**
   * The bytes that were handed out for another file of the model, from what came back with it.
   *
   * @param location by which the model refers to the file
   * @throws {@link ModelSealError} where they are not there, or are not those
   */
  dataOf: (name: string, location: string) => Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Creates a session of a model that was verified, and went through other code since. Whatever options came back with it, the
 * runtime takes weights from what was verified, and reads no file.
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
  /** Of the model file, among the names that were placed. */
  name: string
  placed: ReadonlySet<string>
}

/**
 * As {@link createFromHandedOut}, for a model that was placed.
 *
 * @throws {@link ModelSealError} as there
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
    `The model ${shown(file)} has external data outside its main graph's initializers, which ONNX Runtime does not take from memory.`,
    { file, expected: 'the isolation "copy"', found: '"memory"', hint: 'Load the model by its path.' },
  )
}

function notPlaced(file: string, location: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `The model ${shown(file)} has weights in ${shown(location)}, which was not placed together with it.`,
    { file: location, hint: 'Place the model and all that it refers to in one call, as placeOnnx() does.' },
  )
}
