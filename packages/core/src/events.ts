import { channel } from 'node:diagnostics_channel'

/**
 * Name of the `node:diagnostics_channel` on which every verdict of a verified load is published,
 * accepted or refused. The message is a `Verdict`.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe(VERDICT_CHANNEL, (verdict) => log.info(verdict))
 * ```
 */
export const VERDICT_CHANNEL = 'modelseal:verdict'

const verdicts = channel(VERDICT_CHANNEL)

export function publishVerdict(verdict: object): void {
  if (verdicts.hasSubscribers) verdicts.publish(verdict)
}
