import { ModelSealError } from '@modelseal/core'
import type { Transformers } from './library.ts'

/**
 * Refuses objects that Transformers.js completes with parts from repositories named in its own code, either at
 * once or when the part would be loaded.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
 */
export function refuseOutsideParts({ MgpstrProcessor }: Transformers, loaded: unknown): void {
  if (typeof loaded !== 'object' && typeof loaded !== 'function') return
  const { processor = loaded } = (loaded ?? {}) as { processor?: unknown }
  // Its tokenizers are from other repositories. If the program is loading these itself at the same time,
  // Transformers.js would share them without a request.
  if (processor instanceof MgpstrProcessor) throw outside('the tokenizers of an MGP-STR model')
  // Only read if a text-to-audio pipeline has no vocoder when it is first used.
  if (loaded && Object.hasOwn(loaded, VOCODER)) {
    Object.defineProperty(loaded, VOCODER, {
      get() {
        throw outside('a vocoder for this model', 'Load a verified one and set it as the "vocoder" of the pipeline.')
      },
    })
  }
}

const VOCODER = 'DEFAULT_VOCODER_ID'

function outside(part: string, hint?: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load ${part}: Transformers.js would take it from another, unverified repository.`,
    { hint },
  )
}
