import type { ModelSource } from '../../source/model-source.ts'
import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'

/**
 * Checks a model like a load, but hands nothing out. A refusal is returned as a verdict.
 *
 * @throws {@link ModelSealError} `ABORTED`
 * @example
 * ```ts
 * console.log(explain(await judgeModel('models/vad', { policy: 'trust-policy.yaml' })))
 * ```
 */
export async function judgeModel(source: string | URL | ModelSource, options: OpenOptions = {}): Promise<Verdict> {
  try {
    const model = await openVerifiedModel(source, options)
    await model.close()
    return model.verdict
  } catch (error) {
    if (error instanceof ModelSealError && error.verdict && error.code !== 'ABORTED') return error.verdict
    throw error
  }
}
