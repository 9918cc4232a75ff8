import { messageOf } from '../../any-realm.ts'
import { publishVerdict } from '../../events.ts'
import { ModelSealError } from '../../errors.ts'
import type { CheckName, ModelFormat, Verdict, VerdictWarning } from '../../results.ts'
import type { PossibleFormats } from '../../policy/matching/match.ts'
import { modelUrl } from '../../policy/matching/model-url.ts'
import { monotonic } from '../../real-time.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import type { ServedFiles } from '../files/served-files.ts'

/** A verdict as it stands before the first step: refused, until every step has passed. */
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

/** What is fetched is what the policy sees. */
function ownUrl(path: string, given: string | undefined): string {
  if (given === undefined) return modelUrl(path, MODEL)
  throw new ModelSealError('INVALID_ARGUMENT', 'The option "url" is for models on this machine; this one has a URL.', {
    expected: 'a path, or a URL without the option "url"',
  })
}

/** Takes one step, and notes its duration. */
export async function timed<T>(verdict: Verdict, step: keyof Verdict['durations'], work: () => Promise<T>): Promise<T> {
  const start = monotonic()
  try {
    return await work()
  } finally {
    verdict.durations[step] += monotonic() - start
  }
}

/** Takes one step for several judgements, and notes its duration in each. */
export async function timedEach<T>(
  verdicts: readonly Verdict[],
  step: keyof Verdict['durations'],
  work: () => Promise<T>,
): Promise<T> {
  const [first, ...others] = verdicts
  return first ? timed(first, step, () => timedEach(others, step, work)) : work()
}

/**
 * Takes one step, and notes its outcome.
 *
 * @param work tells what it found, as a sentence
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

/** Takes one step for several judgements, and notes its outcome in each. */
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

/** Adds to what the verdict says of the isolation where files were put if not where they should have been, and why. */
export function noteIsolation({ checks }: Verdict, { notes, used }: Pick<ServedFiles, 'notes' | 'used'>): void {
  if (notes.length === 0) return
  const instead = used.includes('memory') && used.length === 1 ? ['The runtime gets them from memory instead.'] : []
  const check = checks.find(({ check }) => check === 'isolation')
  const reason = [check?.reason ?? '', ...notes, ...instead].join(' ').trim()
  if (check) check.reason = reason
  else checks.push({ check: 'isolation', outcome: 'passed', reason })
}

/** Notes what did not go as it should, once. */
export function warnInto(verdicts: readonly Verdict[]): (warning: VerdictWarning) => void {
  return (warning) => {
    for (const verdict of verdicts) {
      const warnings = (verdict.warnings ??= [])
      if (!warnings.some(({ code }) => code === warning.code)) warnings.push(warning)
    }
  }
}

/** Only a typed error leaves a load, with the verdict on it. */
export function refused(verdict: Verdict, cause: unknown): ModelSealError {
  const error = cause instanceof ModelSealError ? cause : unexpected(cause)
  verdict.decision = 'refused'
  verdict.at = new Date().toISOString()
  verdict.error = error.toJSON()
  error.verdict = verdict
  publishVerdict(verdict)
  return error
}

function unexpected(cause: unknown): ModelSealError {
  return new ModelSealError(
    'INTERNAL',
    'The check failed for a reason that was not foreseen, so the model is refused.',
    {
      found: messageOf(cause),
      hint: 'Please report this.',
      cause,
    },
  )
}
