import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import { modelLocation } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { installedGuard } from '../guard.ts'
import type { LoadRequest } from '../load.ts'
import { openJudged } from '../open-judged.ts'
import { openOptions, type OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import type { OpenedModel } from '../verified-model.ts'

/**
 * Checks a model like a load, but hands nothing out. A refusal is returned as a verdict. Journals record it, because something may depend on it.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `ABORTED`
 * @example
 * ```ts
 * console.log(explain(await judgeModel('models/vad', { policy: 'trust-policy.yaml' })))
 * ```
 */
export async function judgeModel(source: string | URL | ModelSource, options: OpenOptions = {}): Promise<Verdict> {
  return verdictOf(() => openVerifiedModel(source, options))
}

/**
 * Like {@link judgeModel}, for someone who only looks what a load would decide, as `modelseal policy explain` does: no journal records it,
 * and one that is required need not be writable.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `ABORTED`
 * @example
 * ```ts
 * console.log(explain(await previewVerdict('models/vad', { policy: 'trust-policy.yaml' })))
 * ```
 */
export async function previewVerdict(source: string | URL | ModelSource, given: OpenOptions = {}): Promise<Verdict> {
  return verdictOf(() => {
    const options = openOptions(given)
    const gather = () => Promise.resolve(undefined)
    const load: LoadRequest<undefined> = { source: modelLocation(source), options, gather, isUnrecorded: true }
    const guard = installedGuard()
    return guard ? guard.open(load) : openJudged(load, [options])
  })
}

async function verdictOf(open: () => Promise<OpenedModel<undefined>>): Promise<Verdict> {
  try {
    const model = await open()
    await model.close()
    return model.verdict
  } catch (error) {
    if (error instanceof ModelSealError && error.verdict && error.code !== 'ABORTED') return error.verdict
    throw error
  }
}
