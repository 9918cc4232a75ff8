/**
 * `node --import @modelseal/register server.js`: from here on, the thread loads only models that the trust policy accepts
 * into onnxruntime-node and TensorFlow.js.
 *
 * @packageDocumentation
 */
import { messageOf } from '@modelseal/core/any-realm'
import { start } from './start.ts'

try {
  start()
} catch (error) {
  // A program that expects protection must not run without it.
  process.stderr.write(`modelseal: stopping the process, because it would not be protected. ${sentence(error)}\n`)
  process.exit(1)
}

function sentence(error: unknown): string {
  return messageOf(error)
}
