import type { OnnxRuntime } from '@modelseal/onnxruntime/any-runtime'
import { isAnyArrayBuffer, isUint8Array } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { withClearance } from './clearance.ts'
import { changed, checkPlaced, handedOut, placed, type HandedOutFile, type PlacedFile } from './handed-out.ts'
import { judged, judging, opening } from './judgement.ts'
import { placeOf } from './place.ts'

/** The exports of any version of onnxruntime-common. */
export interface OnnxRuntimeExports {
  InferenceSession: { create: (...args: unknown[]) => Promise<unknown> }
  env: OnnxRuntime['env']
}

/** A session. */
interface Releasable {
  release: () => Promise<void>
}

type Create = OnnxRuntimeExports['InferenceSession']['create']

/** Maps each guarded function to the one that loads what was judged. */
const guarded = new WeakMap<object, Create>()

/** Guards the class in place, because all importers share it. */
export function guardOnnxRuntime({ InferenceSession, env }: OnnxRuntimeExports): void {
  if (guarded.has(InferenceSession.create)) return
  const original = InferenceSession.create.bind(InferenceSession)
  const cleared: Create = (...args) => withClearance(args[0], () => original(...args), dataIn(args))
  const ort = { InferenceSession: { create: cleared }, env } as OnnxRuntime

  const create: Create = async (...args) => {
    const [source, ...rest] = args
    const place = typeof source === 'string' ? placeOf(source) : undefined
    const own = place && placed(place.path)
    if (own)
      return judged(
        { path: own.verdict.model.path, format: 'onnx' },
        () => createPlaced(ort, own, args[1]),
        () => cleared(place.plain, ...rest),
      )
    if (place) return createByPath(ort, place.path, args[1], () => cleared(place.plain, ...rest))
    const given = bytesOf(args)
    // Not a model: the runtime has the best error message. The addon loads nothing without clearance.
    if (!given) return original(...args)
    const file = handedOut(given.bytes)
    if (file)
      return judged(
        { path: file.verdict.model.path, format: 'onnx' },
        () => createHandedOut(ort, file, given.options),
        () => cleared(...args),
      )
    const adapter = await import('@modelseal/onnxruntime/any-runtime')
    return judged(
      { path: 'memory:', format: 'onnx' },
      async () => {
        const created = adapter.createFromMemory(ort, given.bytes, given.options, await judging())
        return created.catch((error: unknown) => {
          throw isOfAdapter(given.options) ? ofOldAdapter(error) : error
        })
      },
      () => cleared(...args),
    )
  }
  guarded.set(create, cleared)
  InferenceSession.create = create
}

/**
 * Lets the runtime that an adapter was given load what was judged. A guarded runtime loads it directly. If other code is in
 * between, such as a function of the program, its output is checked again.
 */
export function guardedOnnxRuntime({ InferenceSession, env }: OnnxRuntime): {
  ort: OnnxRuntime
  throughOthers: boolean
} {
  const given = InferenceSession.create
  const cleared = guarded.get(given)
  const create = (cleared ?? given.bind(InferenceSession)) as OnnxRuntime['InferenceSession']['create']
  return { ort: { InferenceSession: { create }, env }, throughOthers: !cleared }
}

async function createByPath(
  ort: OnnxRuntime,
  path: string,
  options: unknown,
  plainly: () => Promise<unknown>,
): Promise<unknown> {
  const [adapter, { modelLocation }] = await Promise.all([
    import('@modelseal/onnxruntime/any-runtime'),
    import('@modelseal/core/adapter'),
  ])
  return judged(
    { path, format: 'onnx' },
    async () => {
      const load = {
        ort,
        // A URL of a hub or registry is a source, if the package that knows it was imported.
        source: modelLocation(path),
        options: { format: 'onnx' as const },
        sessionOptions: withoutExternalData(options),
      }
      return (await adapter.createOpened(load, opening())).session
    },
    plainly,
  )
}

/** Loads a verified model in memory that other code has had in the meantime. It is copied first, so that the compared bytes are loaded. */
async function createHandedOut(ort: OnnxRuntime, file: HandedOutFile, options: unknown): Promise<unknown> {
  const data = new Map(dataEntries(options))
  const bytes = new Uint8Array(file.bytes)
  const adapter = await import('@modelseal/onnxruntime/any-runtime')
  const dataOf = async (name: string, location: string) => {
    const given = data.get(location)
    const known = given && handedOut(given)
    if (!known || known.load !== file.load || known.name !== name) throw missingData(file.name, location)
    return unchanged(known, new Uint8Array(known.bytes))
  }
  const model = { name: file.name, bytes: await unchanged(file, bytes), dataOf }
  return kept(file, await adapter.createFromHandedOut(ort, model, options))
}

/** @throws {@link ModelSealError} `FILE_CHANGED` */
async function unchanged(
  { name, content }: HandedOutFile,
  copy: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { holds } = await import('@modelseal/core/judged')
  if (await holds(copy, content)) return copy
  throw changed(name)
}

async function createPlaced(ort: OnnxRuntime, file: PlacedFile, options: unknown): Promise<unknown> {
  const adapter = await import('@modelseal/onnxruntime/any-runtime')
  checkPlaced(file)
  const model = { path: file.files.path(file.name), name: file.name, placed: file.names }
  const session = await adapter.createFromPlaced(ort, model, options)
  try {
    checkPlaced(file)
  } catch (error) {
    await session.release()
    throw error
  }
  return kept(file, session)
}

/** A session of a model that the program opened is watched like that of any other model. */
async function kept({ load }: HandedOutFile | PlacedFile, session: Releasable): Promise<Releasable> {
  const { keepSession } = await import('@modelseal/onnxruntime/any-runtime')
  return load.model ? keepSession(load.model, session) : session
}

/** Whether these options are from an adapter, which did not find the guard because it is older. */
function isOfAdapter(options: unknown): boolean {
  const { extra } = (options ?? {}) as { extra?: object }
  return typeof extra === 'object' && 'session.load_model_format' in extra
}

function ofOldAdapter(error: unknown): unknown {
  if (error instanceof ModelSealError && error.code === 'SOURCE_UNKNOWN')
    error.message += ' If @modelseal/onnxruntime loads the model, update it to the version of @modelseal/register.'
  return error
}

/** The weights in buffers that the options contain. */
function dataEntries(options: unknown): [string, Uint8Array][] {
  const { externalData } = (options ?? {}) as { externalData?: unknown }
  if (!Array.isArray(externalData)) return []
  return externalData.flatMap((entry: unknown): [string, Uint8Array][] => {
    const { path, data } = (entry ?? {}) as { path?: unknown; data?: unknown }
    return typeof path === 'string' && isUint8Array(data) ? [[path, data]] : []
  })
}

/** The options follow the bytes, or the offset and length. */
function dataIn(args: readonly unknown[]): Uint8Array[] {
  return args.slice(1).flatMap((argument) => dataEntries(argument).map(([, data]) => data))
}

function missingData(file: string, location: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load the model ${shown(file)}: its weights in ${shown(location)} are not the verified buffer.`,
    {
      file: location,
      expected: 'the buffer that was read together with the model',
      hint: 'Load the model by its path.',
    },
  )
}

/** Drops the program's external data, because the adapter takes it from the signed model. */
function withoutExternalData(options: unknown): unknown {
  if (typeof options !== 'object' || options === null) return options
  const { externalData: replaced, ...rest } = options as { externalData?: unknown }
  return replaced === undefined ? options : rest
}

/** The overloads of `create()`: bytes, or a buffer with offset and length; then options. */
function bytesOf([source, ...rest]: unknown[]): { bytes: Uint8Array; options: unknown } | undefined {
  if (isUint8Array(source)) return { bytes: source, options: rest[0] }
  if (!isAnyArrayBuffer(source)) return undefined
  const range = rest.slice(0, 2).filter((value) => typeof value === 'number')
  try {
    return { bytes: new Uint8Array(source, ...range), options: rest[range.length] }
  } catch {
    return undefined
  }
}
