import {
  ModelSealError,
  openVerifiedModel,
  type ModelReader,
  type ModelSource,
  type OpenedModel,
  type OpenOptions,
} from '@modelseal/core'
import {
  installedGuard,
  isModelSource,
  modelLocation,
  onlyModel,
  openOptions,
  outcomeOf,
  runtimeFailed,
  shown,
  withVerdict,
  type LoadOutcome,
  type Opening,
} from '@modelseal/core/adapter'
import type { InferenceSession } from 'onnxruntime-node'
import { isUrl, kindOf, propertyOf } from '@modelseal/core/any-realm'
import { gatherOnnx, type OnnxInMemory, type PlacedOnnx } from './model-files.ts'
import { checkTakesExternalData, isWeb } from './runtime-version.ts'
import {
  checkedSessionOptions,
  sessionOptionsFor,
  withoutFolder,
  type CheckedSessionOptions,
} from './session-options.ts'

/** What this package uses of `onnxruntime-node`. */
export interface OnnxRuntime {
  InferenceSession: { create: (...args: never[]) => Promise<InferenceSession> }
  env: { versions: { node?: string; web?: string } }
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` for what is no ONNX Runtime */
export function checkRuntime(ort: unknown): asserts ort is OnnxRuntime {
  const sessions = fieldOf(ort, 'InferenceSession')
  const versions = fieldOf(fieldOf(ort, 'env'), 'versions')
  if (typeof fieldOf(sessions, 'create') === 'function' && typeof versions === 'object' && versions !== null) return
  throw new ModelSealError('INVALID_ARGUMENT', 'The first argument is not an ONNX Runtime.', {
    expected: 'the module onnxruntime-node',
    found: kindOf(ort),
    hint: 'Import it with `import * as ort from "onnxruntime-node"` and hand it over.',
  })
}

/** Of an object or a class. */
function fieldOf(value: unknown, name: string): unknown {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
    ? propertyOf(value, name)
    : undefined
}

/** The file of a signed directory that is the model, by its signed name. */
export interface ModelEntry {
  /** Path or URL of the directory, or a source of it. */
  model: string | URL | ModelSource
  /** Such as `onnx/model.onnx`. */
  entry: string
}

/**
 * Verifies a model, has the runtime load what was verified, and makes sure that it is what was
 * loaded.
 *
 * @throws {@link ModelSealError} see `loadVerifiedModel`
 */
export async function createVerified(
  ort: OnnxRuntime,
  source: unknown,
  options: OpenOptions,
  givenSessionOptions: unknown,
): Promise<CreatedSession> {
  checkRuntime(ort)
  const load: OnnxLoad = {
    ort,
    ...whereIs(source),
    options: openOptions(options),
    sessionOptions: checkedSessionOptions(givenSessionOptions),
  }
  const create = installedGuard()?.adapters['onnxruntime'] as ((load: OnnxLoad) => Promise<CreatedSession>) | undefined
  return create ? create(load) : createOpened(load, openVerifiedModel)
}

export type CreatedSession = LoadOutcome & { session: InferenceSession }

/** What is to be loaded, as it was when it was asked for. */
export interface OnnxLoad {
  ort: OnnxRuntime
  /** As `modelLocation` gives it. */
  source: string | ModelSource
  /** The file in a directory, where the caller names it. */
  entry?: string | undefined
  options: OpenOptions
  sessionOptions: unknown
}

/** As {@link createVerified}, for whoever has the model judged in another way. */
export async function createOpened(
  { ort, source, entry, options, sessionOptions: given }: OnnxLoad,
  open: Opening,
): Promise<CreatedSession> {
  const sessionOptions = checkedSessionOptions(given)
  const model = await open(source, { ...options, format: 'onnx' }, (reader) => gather(ort, reader, entry))
  try {
    return { session: await createConfirmed(ort, model, sessionOptions), ...outcomeOf(model) }
  } finally {
    await model.close()
  }
}

/** A session of what was verified, which is released where a file changed meanwhile. */
async function createConfirmed(
  ort: OnnxRuntime,
  model: OpenedModel<OnnxInMemory | PlacedOnnx>,
  options: CheckedSessionOptions,
): Promise<InferenceSession> {
  const { gathered, verdict } = model
  const session = await createSessionIn(ort, gathered, forRuntime(ort, sessionOptionsFor(gathered, options))).catch(
    (cause: unknown) => {
      throw runtimeFailed(cause, verdict, ONNX_RUNTIME)
    },
  )
  try {
    model.confirm()
  } catch (error) {
    await session.release()
    throw error instanceof ModelSealError ? withVerdict(error, verdict) : error
  }
  return session
}

function whereIs(source: unknown): Pick<OnnxLoad, 'source' | 'entry'> {
  if (isLocation(source)) return { source: modelLocation(source) }
  if (typeof source === 'object' && source !== null) {
    const model = propertyOf(source, 'model')
    const entry = propertyOf(source, 'entry')
    if (isLocation(model) && typeof entry === 'string') return { source: modelLocation(model), entry }
  }
  throw new ModelSealError('INVALID_ARGUMENT', 'The model is not given by its path.', {
    expected: 'a path, a URL or a source',
    found: kindOf(source),
    hint: 'Nothing tells who signed a buffer: give the path of the file, whose signature is found.',
  })
}

/** onnxruntime-web looks for external data among what it was handed, and nowhere else: a folder would be part of the name. */
function forRuntime(
  { env: { versions } }: OnnxRuntime,
  options: InferenceSession.SessionOptions,
): InferenceSession.SessionOptions {
  return isWeb(versions) ? withoutFolder(options) : options
}

function isLocation(value: unknown): boolean {
  return typeof value === 'string' || isUrl(value) || isModelSource(value)
}

async function gather(
  ort: OnnxRuntime,
  reader: ModelReader,
  given: string | undefined,
): Promise<OnnxInMemory | PlacedOnnx> {
  const entry = entryOf(reader, given)
  const { versions } = ort.env
  // onnxruntime-web, in Node.js as well, finds no external data beside a model that it is given by a path.
  const inMemory = isWeb(versions) ? () => true : (names: readonly string[]) => reader.inMemory(names)
  const model = await gatherOnnx({ ...reader, inMemory }, entry)
  if ('bytes' in model && model.externalData.length > 0) checkTakesExternalData(versions, entry)
  return model
}

function entryOf({ entry, files }: ModelReader, given: string | undefined): string {
  if (given === undefined) return entry ?? onlyModel(files, ['.onnx', '.ort'])
  if (entry === undefined) return withoutEmptySteps(given)
  throw new ModelSealError('INVALID_ARGUMENT', 'The path is a file, and the name of a file in it was given.', {
    expected: 'the path of a signed directory',
    found: shown(entry),
  })
}

/** Signed names have no `.` and no empty component, but programs write `./model.onnx`. */
function withoutEmptySteps(name: string): string {
  if (name.startsWith('/')) return name
  const steps = name.split('/').filter((step) => step !== '' && step !== '.')
  return steps.length > 0 ? steps.join('/') : name
}

const ONNX_RUNTIME = {
  runtime: 'ONNX Runtime',
  hint: 'Check that this version of onnxruntime-node supports the model, and the session options.',
}

/** Creates a session of what was verified. */
export async function createSessionIn(
  { InferenceSession: sessions }: OnnxRuntime,
  model: Pick<OnnxInMemory, 'bytes'> | Pick<PlacedOnnx, 'path'>,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return await sessions.create(...(['path' in model ? model.path : model.bytes, options] as never[]))
}
