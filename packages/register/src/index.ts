/**
 * `node --import @modelseal/register server.js`: from here on, the thread loads models into
 * onnxruntime-node and TensorFlow.js only as the trust policy allows.
 *
 * @packageDocumentation
 */
import { messageOf } from '@modelseal/core/any-realm'
import { start } from './start.ts'

try {
  start()
} catch (error) {
  // A program that believes itself protected must not run when it is not.
  process.stderr.write(`modelseal: the process is stopped, since it would not be protected. ${sentence(error)}\n`)
  process.exit(1)
}

function sentence(error: unknown): string {
  return messageOf(error)
}
