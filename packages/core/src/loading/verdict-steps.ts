import { publishVerdict } from '../events.ts'
import { ModelSealError } from '../errors.ts'
import type { ModelFormat } from '../policy/match.ts'
import type { CheckName, Verdict } from '../policy/verdict.ts'
import { absolutePath } from '../source/local-source.ts'

/** A verdict as it stands before the first step: refused, until every step has passed. */
export function emptyVerdict(
  path: string,
  model: { format?: ModelFormat | undefined; url?: string | undefined },
): Verdict {
  return {
    decision: 'refused',
    at: new Date().toISOString(),
    model: {
      path: absolutePath(path),
      ...(model.url === undefined ? {} : { url: model.url }),
      ...(model.format === undefined ? {} : { format: model.format }),
    },
    checks: [],
    bundles: [],
    files: { checked: 0, signed: 0 },
    bytes: 0,
    durations: { policy: 0, verification: 0, hashing: 0 },
  }
}

/** Takes one step, and notes its duration. */
export async function timed<T>(verdict: Verdict, step: keyof Verdict['durations'], work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    verdict.durations[step] += performance.now() - start
  }
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
      found: cause instanceof Error ? cause.message : String(cause),
      hint: 'Please report this.',
      cause,
    },
  )
}
