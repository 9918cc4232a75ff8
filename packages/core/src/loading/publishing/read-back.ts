import { ModelSealError, shown } from '../../errors.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { checkServed, type CheckServedOptions, type ServedModel } from './check-served.ts'
import type { Publication } from './publication.ts'
import { pushUnproven } from './push-errors.ts'

/** Where to read what was pushed. */
interface PushedPlace {
  /** For messages, with the commit or digest. */
  readonly place: string
  /** Undefined for a place that has none. */
  readonly revision: string | undefined
  /** Reads from the place itself, not from a cache. */
  readonly source: ModelSource
}

interface ReadBackOptions extends Pick<CheckServedOptions, 'signal' | 'onProgress'> {
  /** `full`: every byte. Default: only what has no stated digest. */
  readonly verify?: 'listing' | 'full' | undefined
}

/**
 * Reads back what was pushed, at the commit or digest that the push made, if there is one.
 *
 * @throws {@link ModelSealError} `PUSH_UNPROVEN`, `ABORTED`
 */
export async function readBack(
  { place, revision, source }: PushedPlace,
  publication: Publication,
  { verify, signal, onProgress }: ReadBackOptions,
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
