import type { OnnxRuntime } from '@modelseal/onnxruntime/any-runtime'
import { isAnyArrayBuffer, isUint8Array } from '@modelseal/core/any-realm'
import { withClearance } from './clearance.ts'
import { judged } from './judgement.ts'
import { placeOf } from './place.ts'

/** The exports of onnxruntime-common, of whatever version. */
export interface OnnxRuntimeExports {
  InferenceSession: { create: (...args: unknown[]) => Promise<unknown> }
  env: OnnxRuntime['env']
}

const guarded = new WeakSet()

/** In place: all who import the class have the same one. */
export function guardOnnxRuntime({ InferenceSession, env }: OnnxRuntimeExports): void {
  if (guarded.has(InferenceSession)) return
  guarded.add(InferenceSession)
  const original = InferenceSession.create.bind(InferenceSession)
  const cleared = (...args: unknown[]) => withClearance(args[0], () => original(...args))
  const ort = { InferenceSession: { create: cleared }, env } as OnnxRuntime

  InferenceSession.create = async function create(...args: unknown[]): Promise<unknown> {
    const [source, ...rest] = args
    const place = typeof source === 'string' ? placeOf(source) : undefined
    const adapter = await import('@modelseal/onnxruntime/any-runtime')
    if (place) {
      return judged(
        { path: place.path, format: 'onnx' },
        async (judging) => {
          const { session } = await adapter.createVerified(ort, place.path, judging, withoutExternalData(args[1]))
          return session
        },
        () => cleared(place.plain, ...rest),
      )
    }
    const given = bytesOf(args)
    // Not what the runtime takes: its own words tell best. It hands nothing over without clearance.
    if (!given) return original(...args)
    return judged(
      { path: 'memory:', format: 'onnx' },
      (judging) => adapter.createFromMemory(ort, given.bytes, given.options, judging),
      () => cleared(...args),
    )
  }
}

/** The adapter takes external data from the signed model, whatever the program would have handed over. */
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
