import { subscribe } from 'node:diagnostics_channel'
import type { Revoked, Verdict } from '@modelseal/core'
import { choiceIn } from '@modelseal/core/environment'
import { shown, type ModelSealError } from '@modelseal/core/errors'

/** `VERDICT_CHANNEL` of the core, which is not imported before the first model is loaded. */
const VERDICT_CHANNEL = 'modelseal:verdict'
/** `REVOKED_CHANNEL` of the core. */
const REVOKED_CHANNEL = 'modelseal:revoked'

/** The name of this package in verdicts and messages. */
export const BY = '@modelseal/register'

/**
 * The mode in the environment at start-up. A program cannot weaken it by changing its environment.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function mode(): 'enforce' | 'audit' {
  return choiceIn('MODELSEAL_MODE') ?? 'enforce'
}

/** Prints one line for each model that is loaded only because this is an audit. */
export function reportTolerated(): void {
  subscribe(VERDICT_CHANNEL, (message) => {
    const { by, decision, model, wouldRefuse } = message as Verdict
    // The program's own policies may also tolerate something, which does not concern this audit.
    const own = by === BY || model.path.startsWith('memory:')
    if (own && decision === 'tolerated' && wouldRefuse) report(`would refuse ${shown(model.path)}`, wouldRefuse)
  })
}

/**
 * Prints one line for each model that is revoked after it was loaded, by whichever policy.
 *
 * @param reaction what `MODELSEAL_ON_REVOKED` says
 */
export function reportRevoked(reaction: 'release' | 'exit' | undefined): void {
  // The core itself says why it ends the process.
  if (reaction === 'exit') return
  const advice = reaction ? '' : ' To stop programs from using it, set MODELSEAL_ON_REVOKED to release or exit.'
  subscribe(REVOKED_CHANNEL, (message) => {
    const { error } = message as Revoked
    process.stderr.write(`modelseal: revoked: ${error.message}${advice}\n`)
  })
}

/**
 * Throws the refusal or, in an audit, reports it and continues. For refusals before anything can be judged.
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
