import { messageOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import type { CheckName, ModelFormat, Verdict, VerdictWarning } from '../../results.ts'
import type { PossibleFormats } from '../../policy/matching/match.ts'
import { modelUrl } from '../../policy/matching/model-url.ts'
import { monotonic } from '../../real-time.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import type { ServedFiles } from '../files/served-files.ts'

/** A verdict before the first step: refused until every step has passed. */
export function emptyVerdict(
  place: ModelPlace,
  model: { format?: ModelFormat | PossibleFormats | undefined; url?: string | undefined },
): Verdict {
  const own = place.url === undefined ? undefined : ownUrl(place.url, model.url)
  const url = own ?? model.url
  return {
    decision: 'refused',
    at: new Date().toISOString(),
    model: {
      path: own ?? place.path ?? '',
      ...(url === undefined ? {} : { url }),
      ...(typeof model.format === 'string' ? { format: model.format } : {}),
    },
    checks: [],
    bundles: [],
    files: { checked: 0, signed: 0 },
    bytes: 0,
    durations: { policy: 0, verification: 0, hashing: 0 },
  }
}

const MODEL = 'URL of the model'

/** The policy must see the URL that is fetched. */
function ownUrl(path: string, given: string | undefined): string {
  if (given === undefined) return modelUrl(path, MODEL)
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    'Cannot combine option "url" with the URL of a model: the option is only for models on this machine.',
    {
      expected: 'a path, or a URL without option "url"',
    },
  )
}

/** Runs one step and records its duration. */
export async function timed<T>(verdict: Verdict, step: keyof Verdict['durations'], work: () => Promise<T>): Promise<T> {
  const start = monotonic()
  try {
    return await work()
  } finally {
    verdict.durations[step] += monotonic() - start
  }
}

/** Runs one step for several judgements and records its duration in each. */
export async function timedEach<T>(
  verdicts: readonly Verdict[],
  step: keyof Verdict['durations'],
  work: () => Promise<T>,
): Promise<T> {
  const [first, ...others] = verdicts
  return first ? timed(first, step, () => timedEach(others, step, work)) : work()
}

/**
 * Runs one step and records its outcome.
 *
 * @param work reports what it found, as a sentence
 */
export async function checking<T>(
  { checks }: Verdict,
  check: CheckName,
  work: (tell: (reason: string) => void) => T | Promise<T>,
): Promise<T> {
  let reason = ''
  try {
    const result = await work((sentence) => (reason = sentence))
    checks.push({ check, outcome: 'passed', reason })
    return result
  } catch (error) {
    if (error instanceof ModelSealError)
      checks.push({ check, outcome: 'failed', reason: error.message, code: error.code })
    throw error
  }
}

/** Runs one step for several judgements and records its outcome in each. */
export async function checkingEach<T>(
  verdicts: readonly Verdict[],
  check: CheckName,
  work: (tell: (reason: string) => void) => T | Promise<T>,
): Promise<T> {
  const [first, ...others] = verdicts
  if (!first) return work(() => {})
  return checking(first, check, (tell) =>
    others.length === 0
      ? work(tell)
      : checkingEach(others, check, (tellOthers) =>
          work((sentence) => {
            tell(sentence)
            tellOthers(sentence)
          }),
        ),
  )
}

/** Adds to the isolation step of the verdict where files were placed instead of the preferred place, and why. */
export function noteIsolation({ checks }: Verdict, { notes, used }: Pick<ServedFiles, 'notes' | 'used'>): void {
  if (notes.length === 0) return
  const instead = used.includes('memory') && used.length === 1 ? ['The runtime gets them from memory instead.'] : []
  const check = checks.find(({ check }) => check === 'isolation')
  const reason = [check?.reason ?? '', ...notes, ...instead].join(' ').trim()
  if (check) check.reason = reason
  else checks.push({ check: 'isolation', outcome: 'passed', reason })
}

/** Records each kind of warning once. */
export function warnInto(verdicts: readonly Verdict[]): (warning: VerdictWarning) => void {
  return (warning) => {
    for (const verdict of verdicts) {
      const warnings = (verdict.warnings ??= [])
      if (!warnings.some(({ code }) => code === warning.code)) warnings.push(warning)
    }
  }
}

/** A load throws only typed errors, with the verdict attached, which is to be published once it is recorded: a listener may end the process. */
export function refused(verdict: Verdict, cause: unknown): ModelSealError {
  const error = cause instanceof ModelSealError ? cause : unexpected(cause)
  verdict.decision = 'refused'
  verdict.at = new Date().toISOString()
  verdict.error = error.toJSON()
  error.verdict = verdict
  return error
}

function unexpected(cause: unknown): ModelSealError {
  return new ModelSealError('INTERNAL', 'Cannot load the model: the check failed unexpectedly.', {
    found: messageOf(cause),
    hint: 'Please report this.',
    cause,
  })
}
