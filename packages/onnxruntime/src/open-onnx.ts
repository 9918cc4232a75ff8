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
  keepRevocable,
  modelLocation,
  onlyModel,
  openOptions,
  outcomeOf,
  runtimeFailed,
  shown,
  withVerdict,
  type LoadOutcome,
  type Opening,
  type Revocable,
} from '@modelseal/core/adapter'
import type { InferenceSession } from 'onnxruntime-node'
import { isAnyArrayBuffer, isArray, isUrl, kindOf, propertyOf } from '@modelseal/core/any-realm'
import { gatherOnnx, type OnnxInMemory, type PlacedOnnx } from './model-files.ts'
import { checkTakesExternalData, isWeb } from './runtime-version.ts'
import {
  checkedSessionOptions,
  sessionOptionsFor,
  withoutFolder,
  type CheckedSessionOptions,
} from './session-options.ts'

/** The part of `onnxruntime-node` that this package uses. */
export interface OnnxRuntime {
  InferenceSession: { create: (...args: never[]) => Promise<InferenceSession> }
  env: { versions: { node?: string; web?: string } }
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not ONNX Runtime */
export function checkRuntime(ort: unknown): asserts ort is OnnxRuntime {
  const sessions = fieldOf(ort, 'InferenceSession')
  const versions = fieldOf(fieldOf(ort, 'env'), 'versions')
  if (typeof fieldOf(sessions, 'create') === 'function' && typeof versions === 'object' && versions !== null) return
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid first argument: it is not ONNX Runtime.', {
    expected: 'the module onnxruntime-node',
    found: kindOf(ort),
    hint: 'Import it with `import * as ort from "onnxruntime-node"` and pass that module.',
  })
}

/** Reads a field of an object or a class. */
function fieldOf(value: unknown, name: string): unknown {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
    ? propertyOf(value, name)
    : undefined
}

/** A model file in a signed directory. */
export interface ModelEntry {
  /** Path, URL or source of the directory. */
  model: string | URL | ModelSource
  /** Signed name of the file, such as `onnx/model.onnx`. */
  entry: string
}

/**
 * Verifies a model, has the given runtime load the verified bytes, and makes sure that these are the ones that were loaded.
 *
 * @param ort any ONNX Runtime, such as `onnxruntime-web` or another copy of `onnxruntime-node`
 * @param source what `loadVerifiedModel` takes
 * @param options those of `openVerifiedModel`
 * @param givenSessionOptions those of `InferenceSession.create()`; options that would make the runtime read other files are refused
 * @returns the session, with `decision`, `verdict` and, for a verified model, `attestations()`
 * @throws {@link ModelSealError} see `loadVerifiedModel`
 * @example
 * ```ts
 * import * as ort from './another/onnxruntime-node'
 * const options = { policy: 'trust-policy.yaml' }
 * const { session } = await createVerified(ort, 'models/vad/silero_vad.onnx', options, { graphOptimizationLevel: 'all' })
 * ```
 */
export async function createVerified(
  ort: OnnxRuntime,
  source: unknown,
  options?: OpenOptions,
  givenSessionOptions?: unknown,
): Promise<CreatedSession> {
  return createSessionOf(onnxLoad(ort, source, options, givenSessionOptions))
}

/** The arguments of {@link createVerified}, as they are when the call is made. */
export function onnxLoad(ort: OnnxRuntime, source: unknown, options?: OpenOptions, sessionOptions?: unknown): OnnxLoad {
  checkRuntime(ort)
  return {
    ort,
    ...whereIs(source),
    options: openOptions(options),
    sessionOptions: checkedSessionOptions(sessionOptions),
  }
}

export function createSessionOf(load: OnnxLoad): Promise<CreatedSession> {
  const create = installedGuard()?.adapters['onnxruntime'] as ((load: OnnxLoad) => Promise<CreatedSession>) | undefined
  return create ? create(load) : createOpened(load, openVerifiedModel)
}

export type CreatedSession = LoadOutcome & { session: InferenceSession }

/** What to load, as it was when the call was made. */
export interface OnnxLoad {
  ort: OnnxRuntime
  /** As returned by `modelLocation`. */
  source: string | ModelSource
  /** The file in a directory, if the caller names it. */
  entry?: string | undefined
  options: OpenOptions
  sessionOptions: unknown
  /** False if the runtime keeps no reference to the bytes of the model file (default: true). */
  keepsBytes?: boolean
}

/** Like {@link createVerified}, for callers that judge the model in another way. */
export async function createOpened(
  { ort, source, entry, options, sessionOptions: given, keepsBytes = true }: OnnxLoad,
  open: Opening,
): Promise<CreatedSession> {
  const sessionOptions = checkedSessionOptions(given)
  const model = await open(source, { ...options, format: 'onnx' }, (reader) => gather(ort, reader, entry))
  try {
    return { session: await createConfirmed(ort, model, sessionOptions), ...outcomeOf(model) }
  } finally {
    if (!keepsBytes) free(model.gathered)
    await model.close()
  }
}

/**
 * Frees the bytes of a model file at once, whether or not a session was created. Left to the garbage collector, many small
 * models make it run so often that it takes longer than hashing them. Code that still holds the buffer finds it empty.
 * External data is left alone, because ONNX Runtime does not promise to copy it.
 */
function free(model: OnnxInMemory | PlacedOnnx): void {
  if ('bytes' in model && !model.bytes.buffer.detached) model.bytes.buffer.transfer(0)
}

/** Creates a session of the verified model. Releases it if a file has changed in the meantime. */
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
  return keepSession(model, session)
}

/**
 * Keeps watching the model of a session. Releases the session if the model was revoked in the meantime.
 *
 * @throws {@link ModelSealError} `MODEL_REVOKED`
 */
export async function keepSession<S extends Pick<InferenceSession, 'release'>>(
  model: Parameters<typeof keepRevocable>[0],
  session: S,
): Promise<S> {
  try {
    keepRevocable(model, session, SESSION)
    return session
  } catch (error) {
    await session.release()
    throw error instanceof ModelSealError ? withVerdict(error, model.verdict) : error
  }
}

const SESSION: Revocable<Pick<InferenceSession, 'release'>> = {
  asyncCalls: ['run'],
  calls: ['startProfiling', 'endProfiling'],
  ends: ['release'],
  release: (session) => session.release(),
}

function whereIs(source: unknown): Pick<OnnxLoad, 'source' | 'entry'> {
  if (isLocation(source)) return { source: modelLocation(source) }
  if (isAnyArrayBuffer(source) || ArrayBuffer.isView(source)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot load the model: it was not given by its path.', {
      expected: 'a path, a URL or a source',
      found: kindOf(source),
      hint: 'The signer of a buffer is unknown. Give the path of the file, so that its signature can be found.',
    })
  }
  if (typeof source !== 'object' || source === null || isArray(source)) throw notALocation(kindOf(source))
  const [model, entry] = [propertyOf(source, 'model'), propertyOf(source, 'entry')]
  if (isLocation(model) && typeof entry === 'string') return { source: modelLocation(model), entry }
  if (model === undefined && entry === undefined) throw notALocation('an object with neither "model" nor "entry"')
  throw notALocation(
    isLocation(model)
      ? `an object whose "entry" is ${entry === undefined ? 'missing' : kindOf(entry)}`
      : `an object whose "model" is ${model === undefined ? 'missing' : kindOf(model)}`,
  )
}

function notALocation(found: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot load the model: the argument does not say where it is.', {
    expected: 'a path, a URL, a source, or { model, entry }: a signed directory and the name of the file in it',
    found,
    hint: 'If the directory contains only one model, its path is enough. Options are the argument after the model.',
  })
}

/** onnxruntime-web looks for external data only in the buffers that it was given, and would take a folder as part of the name. */
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
  // onnxruntime-web, even in Node.js, finds no external data next to a model that is given by path.
  const inMemory = isWeb(versions) ? () => true : (names: readonly string[]) => reader.inMemory(names)
  const model = await gatherOnnx({ ...reader, inMemory }, entry)
  if ('bytes' in model && model.externalData.length > 0) checkTakesExternalData(versions, entry)
  return model
}

function entryOf({ entry, files }: ModelReader, given: string | undefined): string {
  if (given === undefined) return entry ?? onlyModel(files, ['.onnx', '.ort'])
  if (entry === undefined) return withoutEmptySteps(given)
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    'Cannot load a file inside the model: the path is a file, not a directory.',
    {
      expected: 'the path of a signed directory',
      found: shown(entry),
    },
  )
}

/** Signed names have no `.` or empty components, but programs write `./model.onnx`. */
function withoutEmptySteps(name: string): string {
  if (name.startsWith('/')) return name
  const steps = name.split('/').filter((step) => step !== '' && step !== '.')
  return steps.length > 0 ? steps.join('/') : name
}

const ONNX_RUNTIME = {
  runtime: 'ONNX Runtime',
  hint: 'Check that this version of onnxruntime-node supports the model and the session options.',
}

/** Creates a session of the verified model. */
export async function createSessionIn(
  { InferenceSession: sessions }: OnnxRuntime,
  model: Pick<OnnxInMemory, 'bytes'> | Pick<PlacedOnnx, 'path'>,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return await sessions.create(...(['path' in model ? model.path : model.bytes, options] as never[]))
}
