import { ModelSealError } from '@modelseal/core'
import type { Transformers } from './library.ts'

/**
 * Refuses what Transformers.js completes with parts of repositories that its own code names: at
 * once, or when the part would be loaded.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
 */
export function refuseOutsideParts({ MgpstrProcessor }: Transformers, loaded: unknown): void {
  if (typeof loaded !== 'object' && typeof loaded !== 'function') return
  const { processor = loaded } = (loaded ?? {}) as { processor?: unknown }
  // Its tokenizers are of other repositories; where the program is just loading these by itself,
  // Transformers.js would share that without asking.
  if (processor instanceof MgpstrProcessor) throw outside('the tokenizers of an MGP-STR model')
  // Only read where a text-to-audio pipeline has no vocoder when it is first used.
  if (loaded && Object.hasOwn(loaded, VOCODER)) {
    Object.defineProperty(loaded, VOCODER, {
      get() {
        throw outside('a vocoder for this model', 'Load one verified, and set it as the "vocoder" of the pipeline.')
      },
    })
  }
}

const VOCODER = 'DEFAULT_VOCODER_ID'

function outside(part: string, hint?: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Transformers.js takes ${part} from another repository, which nobody verified.`,
    { hint },
  )
}
