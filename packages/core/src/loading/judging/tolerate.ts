import { publishVerdict } from '../../events.ts'
import { propertyOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { checkObject } from '../../kinds.ts'
import type { ModelFormat, Verdict } from '../../results.ts'
import { REVOKED_CODES } from '../../policy/revocations/codes.ts'
import { checkedPlace, sourceAt } from '../../source/model-location.ts'
import { recordTolerated } from '../recording/record-verdict.ts'
import { emptyVerdict } from './verdict-steps.ts'

/** Revocations refuse in every mode, and an abort is not a judgement. */
export function holdsInAudit({ code }: ModelSealError): boolean {
  return REVOKED_CODES.has(code) || code === 'ABORTED'
}

/**
 * For callers that load a refused model anyway, to find out first what a policy would refuse: publishes the verdict
 * with the decision `tolerated`.
 *
 * @throws {@link ModelSealError} the error itself, if it refuses in every mode
 */
export function tolerate(
  error: unknown,
  model: { path: string; format?: ModelFormat | undefined; by?: string },
): Verdict {
  if (!(error instanceof ModelSealError) || holdsInAudit(error)) throw error
  checkObject(model, 'the model', 'an object with its path', (given) => typeof propertyOf(given, 'path') === 'string')
  const judged = error.verdict
    ? { ...error.verdict }
    : emptyVerdict(checkedPlace(sourceAt(model.path, undefined)), model)
  delete judged.error
  const { by } = model
  const verdict: Verdict = {
    wouldRefuse: error.toJSON(),
    ...judged,
    ...(by === undefined ? {} : { by }),
    decision: 'tolerated',
  }
  publishVerdict(verdict)
  recordTolerated(verdict, error.verdict)
  return verdict
}
