/**
 * Models in object storage. Importing this package makes `s3://` URLs work wherever modelseal takes the path of a model.
 *
 * @packageDocumentation
 */
import { registerScheme } from '@modelseal/core/source'
import { s3Source } from './s3-source.ts'

registerScheme('s3', (url) => s3Source(url))

export type { Credentials } from './credentials/credentials.ts'
export { s3Source } from './s3-source.ts'
export type { S3Options } from './s3-settings.ts'
export { presignedUrl, type PresignOptions } from './presigned-url.ts'
export {
  checkPushTarget,
  pushModel,
  type S3PushedModel,
  type S3PushOptions,
  type S3PushSettings,
} from './publishing/push-model.ts'
