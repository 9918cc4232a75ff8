import { publishVerdict } from '../../events.ts'
import { propertyOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { checkObject } from '../../kinds.ts'
import type { ModelFormat, Verdict } from '../../results.ts'
import { checkedPlace, sourceAt } from '../../source/model-location.ts'
import { holdsInAudit } from '../judging/holds-in-audit.ts'
import { emptyVerdict, refused } from '../judging/verdict-steps.ts'
import { noteSameJournals, recordRefusals, recordUnopened } from '../recording/record-verdict.ts'
import { ToleratedModel } from './tolerated-model.ts'

/**
 * For callers that load a refused model anyway, to find out first what a policy would refuse: records and publishes the verdict with the
 * decision `tolerated`. Pass the result to `keepRevocable` together with what the runtime creates, and close it, so that journals record
 * when the model is no longer in use.
 *
 * @throws {@link ModelSealError} the error itself, if it refuses in every mode; `JOURNAL_FAILED`, `JOURNAL_INVALID` if a journal that is
 * required cannot be written: then do not load the model
 * @example
 * ```ts
 * const tolerated = await tolerate(error, { path: 'models/vad.onnx', by: 'my-adapter' })
 * const session = await runtime.load('models/vad.onnx')
 * keepRevocable(tolerated, session, { ends: ['release'], release: (created) => created.release() })
 * tolerated.close()
 * ```
 */
export async function tolerate(
  error: unknown,
  model: { path: string; format?: ModelFormat | undefined; by?: string },
): Promise<ToleratedModel> {
  if (!(error instanceof ModelSealError) || holdsInAudit(error)) throw error
  checkObject(model, 'the model', 'an object with its path', (given) => typeof propertyOf(given, 'path') === 'string')
  const verdict = toleratedVerdict(error, model)
  if (error.verdict) noteSameJournals(verdict, error.verdict)
  const recorded = await recordUnopened(verdict).catch(async (failure: unknown) => {
    const refusal = { ...verdict }
    delete refusal.wouldRefuse
    noteSameJournals(refusal, verdict)
    const refusing = refused(refusal, failure)
    await recordRefusals(refusal)
    publishVerdict(refusal)
    throw refusing
  })
  publishVerdict(verdict)
  return new ToleratedModel(verdict, recorded)
}

function toleratedVerdict(
  error: ModelSealError,
  model: { path: string; format?: ModelFormat | undefined; by?: string },
): Verdict {
  const judged = error.verdict
    ? { ...error.verdict }
    : emptyVerdict(checkedPlace(sourceAt(model.path, undefined)), model)
  delete judged.error
  const { by } = model
  return {
    wouldRefuse: error.toJSON(),
    ...judged,
    ...(by === undefined ? {} : { by }),
    decision: 'tolerated',
  }
}
