import type { PolicyFinding } from '@modelseal/core/policy'
import type { Command } from 'commander'
import { nonEmpty, withJson } from '../../options.ts'
import type { Outcome, Perform } from '../../perform.ts'

/** For a policy that is valid but risky. */
const WARNINGS_EXIT_CODE = 3

/** `modelseal policy check FILE`: errors and risks, with their positions. */
export function addPolicyCheck(policy: Command, perform: Perform): void {
  withJson(policy.command('check'))
    .description('Find errors and risks in a trust policy.')
    .argument('<file>', 'the trust policy', nonEmpty)
    .addHelpText('after', HELP)
    .action(perform(check))
}

const HELP = `
Exit code: 1 if the policy has errors and therefore accepts nothing, 3 if it has warnings, otherwise 0.

Example:
  $ modelseal policy check modelseal.policy.yaml`

async function check(file: string): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { checkPolicy, loadPolicy, policyDigests } = await import('@modelseal/core/policy')
  const findings = await checkPolicy(file)
  const isValid = !findings.some(({ severity }) => severity === 'error')
  const digests = isValid ? policyDigests(await loadPolicy(file)) : undefined
  const lines = findings.map(({ severity, code, message, file: path, line, column }) => {
    const place = line === undefined ? '' : `:${line}${column === undefined ? '' : `:${column}`}`
    return `${shown(path)}${place} ${severity} ${code}: ${message}`
  })
  return {
    lines: [...lines, summaryOf(findings)],
    json: { result: { findings, digests } },
    exitCode: exitCodeOf(findings),
  }
}

function summaryOf(findings: readonly PolicyFinding[]): string {
  const counts = (['error', 'warning', 'note'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`]
  })
  const broken = findings.some(({ severity }) => severity === 'error')
  const verdict = broken ? 'The policy is not valid, so it accepts nothing' : 'The policy is valid'
  return `${[verdict, ...(counts.length > 0 ? [counts.join(', ')] : [])].join(': ')}.`
}

function exitCodeOf(findings: readonly PolicyFinding[]): number {
  if (findings.some(({ severity }) => severity === 'error')) return 1
  return findings.some(({ severity }) => severity === 'warning') ? WARNINGS_EXIT_CODE : 0
}
