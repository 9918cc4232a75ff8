/**
 * Models from hubs and registries. Importing this package makes `hf://` and `oci://` URLs work wherever modelseal takes
 * the path of a model.
 *
 * @packageDocumentation
 */
import { registerScheme } from '@modelseal/core/source'
import { huggingFaceSource } from './huggingface/hugging-face-source.ts'

registerScheme('hf', (url) => huggingFaceSource(url))

export { huggingFaceSource, type HuggingFaceOptions } from './huggingface/hugging-face-source.ts'
