import type { OpenOptions } from '@modelseal/core'
import { env, InferenceSession } from 'onnxruntime-node'
import { createSessionOf, onnxLoad, type CreatedSession } from './open-onnx.ts'

/** Like `createVerified`, with the onnxruntime-node that this package imports. */
export function createWithOwnRuntime(
  source: unknown,
  options?: OpenOptions,
  sessionOptions?: unknown,
): Promise<CreatedSession> {
  return createSessionOf({ ...onnxLoad({ env, InferenceSession }, source, options, sessionOptions), keepsBytes: false })
}
