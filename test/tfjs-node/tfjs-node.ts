import { createRequire } from 'node:module'
import type * as tensorflow from '@tensorflow/tfjs'

/** The result of `tf.node.loadSavedModel`. */
export interface SavedModel {
  predict(inputs: Record<string, tensorflow.Tensor>): Record<string, tensorflow.Tensor>
  dispose(): void
}

/** The parts of tfjs-node that the tests use; its own types exist only where it is installed. */
export type TfjsNode = typeof tensorflow & {
  io: { fileSystem: (path: string) => tensorflow.io.IOHandler }
  node: {
    loadSavedModel: (path: string, tags?: string[], signature?: string) => Promise<SavedModel>
    getNumOfSavedModels: () => number
  }
}

export const tfjsNode = createRequire(import.meta.url)('@tensorflow/tfjs-node') as TfjsNode
