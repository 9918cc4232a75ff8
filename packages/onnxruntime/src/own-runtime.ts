import type { OpenOptions } from '@modelseal/core'
import { env, InferenceSession } from 'onnxruntime-node'
import { createOf, loadOf, type CreatedSession } from './open-onnx.ts'

/** Like `createVerified`, with the onnxruntime-node that this package imports. */
export function createHere(source: unknown, options?: OpenOptions, sessionOptions?: unknown): Promise<CreatedSession> {
  return createOf({ ...loadOf({ env, InferenceSession }, source, options, sessionOptions), keepsBytes: false })
}
