import type { ExpectationResult } from '@modelseal/core/policy'
import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

/** `modelseal policy test FILE`: checks the expectations next to a policy. */
export function addPolicyTest(policy: Command, perform: Perform): void {
  withJson(policy.command('test'))
    .description('Check the expectations in the file next to a trust policy.')
    .argument('<file>', 'the trust policy', nonEmpty)
    .addOption(pathOption('--expectations <path>', 'file of expectations (default: NAME.test.yaml next to NAME.yaml)'))
    .addHelpText('after', HELP)
    .action(perform(test))
}

const HELP = `
The file of expectations is a list. Models are paths relative to it, or URLs (https://, hf://, oci://, s3://), which are fetched:
  - model: models/vad
    expect: accepted          # or refused, tolerated, skipped
  - model: models/tampered
    expect: refused
    because: FILE_MISMATCH
  - model: hf://org/vad@v1.0
    expect: accepted

Whether a journal that the policy requires can be written is not tested, and nothing is recorded.

Exit code: 1 if an expectation is not met.

Example:
  $ modelseal policy test modelseal.policy.yaml`

async function test(
  policy: string,
  { expectations }: { expectations?: string },
  { signal }: Session,
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  // Only the file of expectations says whether it names a model on a hub or in a bucket.
  await import('@modelseal/hub')
  await import('@modelseal/s3')
  const { testPolicy } = await import('@modelseal/core/policy')
  const results = await testPolicy({ policy, expectations, signal })
  const failed = results.filter(({ passed }) => !passed).length
  const count = `${results.length - failed} of ${results.length} expectations are met.`
  return {
    lines: [...results.map((result) => line(result, shown)), count],
    json: { result: { failed, results } },
    exitCode: failed === 0 ? 0 : 1,
  }
}

function line(
  { passed, model, expect, because, rule, verdict, position }: ExpectationResult,
  shown: (text: string) => string,
) {
  const wanted = [expect, because, rule === undefined ? undefined : `rule ${shown(rule)}`].filter(Boolean).join(' ')
  if (passed) return `ok    ${shown(model)}: ${wanted}`
  const code = (verdict.error ?? verdict.wouldRefuse)?.code
  const found = [verdict.decision, code, verdict.rule === undefined ? undefined : `rule ${shown(verdict.rule)}`]
  return `FAIL  ${shown(model)} (line ${position?.line ?? '?'}): expected ${wanted}, found ${found.filter(Boolean).join(' ')}`
}
