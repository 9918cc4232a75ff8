import { createRequire } from 'node:module'
import type * as tensorflow from '@tensorflow/tfjs'

/** What `tf.node.loadSavedModel` gives. */
export interface SavedModel {
  predict(inputs: Record<string, tensorflow.Tensor>): Record<string, tensorflow.Tensor>
  dispose(): void
}

/** What the tests use of tfjs-node, whose own types are there only where it is installed. */
export type TfjsNode = typeof tensorflow & {
  io: { fileSystem: (path: string) => tensorflow.io.IOHandler }
  node: {
    loadSavedModel: (path: string, tags?: string[], signature?: string) => Promise<SavedModel>
    getNumOfSavedModels: () => number
  }
}

export const tfjsNode = createRequire(import.meta.url)('@tensorflow/tfjs-node') as TfjsNode
