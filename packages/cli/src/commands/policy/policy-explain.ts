import type { Command } from 'commander'
import {
  formatOption,
  MODEL,
  nonEmpty,
  withJson,
  withPolicy,
  type FormatFlag,
  type PolicyFlags,
} from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

/** `modelseal policy explain MODEL`: each check that a load makes, and its outcome. */
export function addPolicyExplain(policy: Command, perform: Perform): void {
  withPolicy(withJson(policy.command('explain')))
    .description('Show which rule applies to a model and the result of every check, without loading it.')
    .argument('<model>', MODEL, nonEmpty)
    .addOption(formatOption())
    .addHelpText('after', HELP)
    .action(perform(explainModel))
}

const HELP = `
Nobody loads anything, so that the journal of the policy does not record it. "modelseal verify" is recorded.

Exit code: 1 if a load would be refused, 0 if the model would be loaded, verified or not.

Example:
  $ modelseal policy explain models/vad --policy modelseal.policy.yaml`

async function explainModel(
  model: string,
  { policy, signature, format }: PolicyFlags & FormatFlag,
  { signal, onProgress }: Session,
): Promise<Outcome> {
  const { explain, previewVerdict } = await import('@modelseal/core/policy')
  const verdict = await previewVerdict(model, { policy, signature, format, signal, onProgress })
  return { lines: explain(verdict).split('\n'), json: { verdict }, exitCode: verdict.decision === 'refused' ? 1 : 0 }
}
