import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkServed, type Publication, type ServedModel } from '@modelseal/core/publishing'
import type { ModelSource } from '@modelseal/core/source'
import type { PushSettings } from './push-options.ts'
import { pushUnproven } from './push-errors.ts'

/** Where to read what was pushed. */
interface PushedPlace {
  /** For messages, with the commit or digest. */
  readonly place: string
  readonly revision: string
  /** Reads from the hub or registry itself, not from a cache. */
  readonly source: ModelSource
}

/**
 * Reads back what was pushed, at the commit or digest that the push made.
 *
 * @throws {@link ModelSealError} `PUSH_UNPROVEN`, `ABORTED`
 */
export async function readBack(
  { place, revision, source }: PushedPlace,
  publication: Publication,
  { verify, signal, onProgress }: PushSettings,
): Promise<ServedModel> {
  try {
    const served = await checkServed(source, publication, { full: verify === 'full', signal, onProgress })
    if (served.revision === revision) return served
    throw new ModelSealError('SOURCE_FAILED', `${shown(place)} is not what it serves.`, {
      expected: revision,
      found: served.revision,
    })
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'ABORTED') throw pushUnproven(place, error)
    throw error
  }
}
