import type { CatalogueVerdict } from '@modelseal/fleet'
import type { Command } from 'commander'
import { maxBundleBytesOption, pathOption } from '../../options.ts'
import type { Perform } from '../../perform.ts'
import { fleetOptions, withFleet, type FleetFlags } from './fleet-options.ts'
import { withMetrics } from './metrics.ts'
import { runOutcome, type ModelLine } from './outcomes.ts'

interface Flags extends FleetFlags {
  policy?: string
  maxBundleBytes?: number
  hashAgain?: boolean
}

/** `modelseal fleet verify CATALOGUE --policy FILE`. */
export function addFleetVerifying(fleet: Command, perform: Perform): void {
  withFleet(fleet.command('verify'))
    .description('Verify the models of a catalogue against a trust policy.')
    .addOption(pathOption('--policy <path>', 'trust policy (default: the one that a load would find)'))
    .option('--hash-again', 'hash every file, also those that were hashed within the last day and have not changed')
    .addOption(maxBundleBytesOption())
    .addHelpText('after', HELP)
    .action(
      perform<Flags>(async (catalogue, flags, session) => {
        const { verifyCatalogue } = await import('@modelseal/fleet')
        const { options, messages } = await fleetOptions(flags, session)
        const { policy, maxBundleBytes, hashAgain } = flags
        return withMetrics(flags, session, async () => {
          const age = hashAgain ? { maxAge: 0 } : {}
          const run = await verifyCatalogue(catalogue, { ...options, policy, maxBundleBytes, ...age })
          return runOutcome(run, { command: 'fleet verify', flags, session, messages }, lineOf)
        })
      }),
    )
}

function lineOf({ verdict }: CatalogueVerdict): ModelLine {
  const ok = verdict.decision === 'accepted'
  return {
    kind: verdict.decision,
    ok,
    text: ok ? undefined : (verdict.error?.message ?? verdict.decision),
    json: { verdict },
  }
}

const HELP = `
Each model is judged as a load judges it. Workers hash the files, or without --queue, this process; digests are compared here. Only a model that is
accepted counts as verified: with any other, the exit code is 1.

Example:
  $ modelseal fleet verify models --policy modelseal.policy.yaml`
