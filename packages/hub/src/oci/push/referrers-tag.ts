import { ModelSealError } from '@modelseal/core/errors'
import { pushConflict } from '@modelseal/core/publishing'
import { field } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import { ociUrl, type OciReference } from '../reference.ts'
import { IMAGE_INDEX, type FetchedManifest, type Repository } from '../repository.ts'
import { content, referrerOf, type AttachedBundle } from './model-pack.ts'
import type { RegistryWriter } from './registry-writer.ts'

const ATTEMPTS = 5
const WHAT = 'list of what is attached to the model'

/** A repository, to read from and to write to. */
export interface OpenedRepository {
  readonly reference: OciReference
  readonly reads: Repository
  readonly writes: RegistryWriter
}

/**
 * Lists attachments under the tag `sha256-…`, for registries that do not list them (distribution specification 1.1, "Referrers
 * Tag Schema"). Registries have no conditional writes, so the list is read again afterwards: another client may have written
 * it in between. What others attached stays in it.
 *
 * @throws {@link ModelSealError} `PUSH_CONFLICT`, and what reading and writing throw
 */
export async function listByTag(
  { reference, reads, writes }: OpenedRepository,
  subject: Digest,
  attached: readonly AttachedBundle[],
): Promise<void> {
  const tag = subject.replace(':', '-').slice(0, 128)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const before = listOf(await reads.manifest(tag, WHAT))
    const missing = attached.filter(({ manifest }) => !before.has(manifest.descriptor.digest))
    if (missing.length === 0) return
    const manifests = [...before.values(), ...missing.map(referrerOf)]
    await writes.manifest(content({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests }, IMAGE_INDEX), tag, WHAT)
  }
  throw pushConflict(ociUrl({ ...reference, version: { tag } }), 'a list that keeps what is added', 'one that does not')
}

/** The entries by their digests, as they are. */
function listOf(index: FetchedManifest | undefined): Map<string, unknown> {
  const manifests = index === undefined ? [] : field(index.content, 'manifests')
  if (index && (index.mediaType !== IMAGE_INDEX || !Array.isArray(manifests)))
    throw new ModelSealError('SOURCE_FAILED', `Cannot use the ${WHAT}: it is malformed.`, {
      expected: IMAGE_INDEX,
      found: index.mediaType,
      hint: 'Remove the tag from the repository.',
    })
  return new Map((manifests as unknown[]).map((each) => [String(field(each, 'digest')), each]))
}
