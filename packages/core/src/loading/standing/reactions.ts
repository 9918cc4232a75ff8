import { choiceIn } from '../../environment.ts'
import { publishRevoked, type Revoked } from '../../events.ts'
import { ModelSealError, sentenceOf, shown } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import type { OnRevoked } from '../open-options.ts'

/** What happens to a model that is revoked: what the program wants, and whoever runs it. */
export function wantedReactions(onRevoked: OnRevoked | undefined): OnRevoked[] {
  return [onRevoked, choiceIn('MODELSEAL_ON_REVOKED')].filter((reaction) => reaction !== undefined)
}

/** Tells of a revoked model, and does what the program and whoever runs it want, except releasing. */
export function react(reactions: readonly OnRevoked[], revoked: Revoked): void {
  publishRevoked(revoked)
  // What a function throws is an uncaught exception, as it is for listeners of the signal.
  for (const reaction of reactions) if (typeof reaction === 'function') process.nextTick(reaction, revoked)
  if (reactions.includes('exit')) process.nextTick(exit, revoked.error)
}

export function revokedError(verdict: Verdict, cause: unknown): ModelSealError {
  const { path } = verdict.model
  const refusal = cause instanceof ModelSealError ? cause : undefined
  const why = refusal ? sentenceOf(refusal) : 'It could not be judged again by the changed policy.'
  const error = new ModelSealError(
    'MODEL_REVOKED',
    `The model ${shown(path)} was revoked after it was loaded: ${why}`,
    {
      file: path,
      expected: refusal?.expected,
      found: refusal?.found,
      hint: 'Stop using the model. A new load is refused for the same reason, unless the policy or the feed changes again.',
      cause,
    },
  )
  error.verdict = verdict
  return error
}

function exit(error: ModelSealError): void {
  try {
    process.stderr.write(`${error.message}\n`)
  } finally {
    process.exit(1)
  }
}
