import { ModelSealError, shown } from '@modelseal/core/errors'
import { forPublisher, preparePublication } from '@modelseal/core/publishing'
import { hubLocation } from '../huggingface/hub-location.ts'
import { parseOciReference } from '../oci/reference.ts'
import type { PushedModel, PushOptions, PushSettings } from './push-options.ts'

/**
 * Publishes a signed model on Hugging Face or in an OCI registry, and reads back what is served. Succeeds only if that is
 * what was signed.
 *
 * The files, the bundle and the attestations of the model are uploaded in one commit, which is refused if the branch changed meanwhile. In a registry,
 * the manifest and what is attached to it come first, and the tag last, once everything was read back.
 *
 * @param model path of the directory or file
 * @param target `hf://ORG/NAME[@BRANCH][/FOLDER]`, or `oci://HOST/REPOSITORY[:TAG]`
 * @throws {@link ModelSealError} `PUSH_REFUSED`, `PUSH_CONFLICT`, `PUSH_UNPROVEN` (uploaded, but not proven; `cause` says
 * why), `PUSH_UNAVAILABLE` (`@huggingface/hub` is not installed), `FILE_UNSIGNED` (the repository has files that are not
 * signed, or bundles that a load would read besides several that are pushed), `FILE_CHANGED`, `MODEL_NOT_FOUND` (no such
 * repository), `INVALID_ARGUMENT`, and what verifying the model throws
 * @example
 * ```ts
 * import { pushModel } from '@modelseal/hub'
 *
 * const pushed = await pushModel('models/vad', 'hf://org/vad', {
 *   signedBy: { verifier: { publicKey: 'release.pub' } },
 *   huggingFace: { createPr: true },
 * })
 * console.log(pushed.url, pushed.pullRequest)
 * ```
 */
export async function pushModel(model: string, target: string, options: PushOptions): Promise<PushedModel> {
  const push = await pushTo(target, options)
  const { signedBy, signature, signal, onProgress } = options
  return push(await preparePublication(model, { signedBy, signature, signal, onProgress }).catch(forPublisher))
}

/**
 * Checks what can be checked without a request and without the model, for a caller that signs it first.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `PUSH_UNAVAILABLE`, `PUSH_REFUSED` without an access token
 */
export async function checkPushTarget(target: string, options: PushSettings = {}): Promise<void> {
  await pushTo(target, options)
}

/** Checks the target before the model is hashed. */
async function pushTo(target: string, options: PushSettings) {
  if (/^hf:/i.test(target)) {
    const location = hubLocation(target)
    const { HubPush } = await import('../huggingface/push/hub-push.ts')
    const push = await HubPush.to(location, options)
    return push.push.bind(push)
  }
  if (/^oci:/i.test(target)) {
    const reference = parseOciReference(target)
    const { RegistryPush } = await import('../oci/push/registry-push.ts')
    const push = RegistryPush.to(reference, options)
    return push.push.bind(push)
  }
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    'Cannot push: the target is not on a hub, in a registry or in a bucket.',
    {
      expected: 'hf://ORG/NAME or oci://HOST/REPOSITORY:TAG (or s3://BUCKET/PREFIX with @modelseal/s3)',
      found: shown(target.replace(/[?#].*$/s, '').replace(/^.*@/s, '…@')),
    },
  )
}
