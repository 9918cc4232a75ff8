/**
 * Models from hubs and registries. Importing this package makes `hf://` and `oci://` URLs work wherever modelseal takes
 * the path of a model.
 *
 * @packageDocumentation
 */
import { registerScheme } from '@modelseal/core/source'
import { huggingFaceSource } from './huggingface/hugging-face-source.ts'
import { ociSource } from './oci/oci-source.ts'

registerScheme('hf', (url) => huggingFaceSource(url))
registerScheme('oci', (url) => ociSource(url))

export { huggingFaceSource } from './huggingface/hugging-face-source.ts'
export type { HuggingFaceOptions } from './huggingface/hub-settings.ts'
export { ociSource, type OciOptions } from './oci/oci-source.ts'
export { checkPushTarget, pushModel } from './publishing/push-model.ts'
export type {
  HuggingFacePush,
  PushedModel,
  PushOptions,
  PushSettings,
  UploadedFile,
} from './publishing/push-options.ts'
