import { subscribe } from 'node:diagnostics_channel'
import type { Verdict } from '@modelseal/core'
import { variable } from '@modelseal/core/environment'
import { ModelSealError, shown } from '@modelseal/core/errors'

/** The environment variable that has every model loaded, and would-be refusals reported. */
const VARIABLE = 'MODELSEAL_MODE'

/** `VERDICT_CHANNEL` of the core, which is not imported before the first model is loaded. */
const VERDICT_CHANNEL = 'modelseal:verdict'

/** Whom verdicts and messages name. */
export const BY = '@modelseal/register'

export type Mode = 'enforce' | 'audit'

/**
 * As the environment was when it was fixed: what a program does to its own loosens nothing.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function mode(): Mode {
  const given = variable(VARIABLE) ?? 'enforce'
  if (given === 'enforce') return 'enforce'
  if (given === 'audit') return 'audit'
  throw new ModelSealError('INVALID_ARGUMENT', `The environment variable ${VARIABLE} has no value that it can have.`, {
    expected: 'enforce or audit',
    found: shown(given),
  })
}

/** Writes one line for each model that is loaded only because this is an audit. */
export function reportTolerated(): void {
  subscribe(VERDICT_CHANNEL, (message) => {
    const { by, decision, model, wouldRefuse } = message as Verdict
    // The program's own policies may tolerate something, too: that is no matter of this audit.
    const own = by === BY || model.path.startsWith('memory:')
    if (own && decision === 'tolerated' && wouldRefuse) report(`would refuse ${shown(model.path)}`, wouldRefuse)
  })
}

/**
 * Throws the refusal; in an audit, writes it down and goes on. For what is refused before anything can be judged.
 *
 * @throws {@link ModelSealError} the given one
 */
export function refuse(what: string, error: ModelSealError): void {
  if (mode() === 'enforce') throw error
  report(`would refuse ${what}`, error)
}

function report(what: string, { code, message }: { code: string; message: string }): void {
  process.stderr.write(`modelseal: audit: ${what}: ${code}: ${message}\n`)
}
