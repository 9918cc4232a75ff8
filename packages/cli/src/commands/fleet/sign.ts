import type { CatalogueSigning } from '@modelseal/fleet'
import type { Command } from 'commander'
import { DEFAULT_MAX_BYTES, withHashing, type HashingFlags } from '../../options.ts'
import type { Perform } from '../../perform.ts'
import type { SigningMethod } from '../publish/signing-method.ts'
import { timestampOption, type SigningFlags } from '../publish/signing.ts'
import { fleetOptions, withFleet, type FleetFlags } from './fleet-options.ts'
import { withMetrics } from './metrics.ts'
import { runOutcome, type ModelLine } from './outcomes.ts'

interface Flags extends FleetFlags, Omit<HashingFlags, 'ignorePaths' | 'maxBytes'> {
  tsaUrl?: string
  force?: boolean
  again?: boolean
  claimsInside?: boolean
}

/** `modelseal fleet sign METHOD CATALOGUE`. */
export function addFleetSigning(
  parent: Command,
  perform: Perform,
  { name, how, note = '', isDefault = false, ...method }: SigningMethod<SigningFlags>,
): void {
  const command = withHashing(withFleet(parent.command(name, { isDefault })))
    .option('--no-ignore-git-paths', 'include .git, .gitignore, .gitattributes and .github')
    .option('--ignore-git-paths', 'exclude them (default)')
    .option('--again', 'also sign models that have this signature already')
    .option('--force', 'replace the signatures of other models')
    .option('--claims-inside', 'leave "claims.jsonl" in directories unsigned: attestations will be added to it')
    .addOption(timestampOption())
  method
    .withOptions(command)
    .description(`Sign the models of a catalogue ${how}${note}.`)
    .addHelpText('after', SIGN_FLEET_HELP)
    .action(
      perform<Flags & SigningFlags>(async (catalogue, flags, session) => {
        const { signCatalogue } = await import('@modelseal/fleet')
        const { signer } = await method.signing(flags, session)
        const { options, messages } = await fleetOptions(flags, session)
        const { hashType, shardSize, format, wholeFiles, allowSymlinks, ignoreGitPaths, again, claimsInside } = flags
        const how = { hashType, shardSize, format, wholeFiles, allowSymlinks, ignoreGitPaths, claimsInside }
        const overwrite = flags.force ? ('always' as const) : ('same-model' as const)
        const place = { overwrite, timestampAuthority: flags.tsaUrl, maxBytes: DEFAULT_MAX_BYTES }
        return withMetrics(flags, session, async () => {
          const run = await signCatalogue(catalogue, { ...options, ...how, ...place, signer, again })
          return runOutcome(run, { command: `fleet sign ${name}`, flags, session, messages }, lineOf)
        })
      }),
    )
}

function lineOf(outcome: CatalogueSigning): ModelLine {
  if ('unchanged' in outcome)
    return { kind: 'unchanged', ok: true, text: undefined, json: { unchanged: outcome.unchanged } }
  const { warnings = [] } = outcome.signed
  const text = warnings.length > 0 ? warnings.map(({ message }) => `Warning: ${message}`).join(' ') : undefined
  return { kind: 'signed', ok: true, text, json: { signed: outcome.signed } }
}

export const SIGN_FLEET_HELP = `
Workers hash the files, or without --queue, this process. Only this command has the key. The bundle of a model on disk is written where loads
look for it (model.sig in a directory, FILE.sig beside a file), also that of a model in a bucket; those of other models go into --bundles.

Run the command again to continue after an interruption: what was hashed is not hashed again, and models that have this signature already
are left alone. A failure of one model is reported, and the others go on; the exit code is then 1.

Examples:
  $ modelseal fleet sign key models --private-key release.key
  $ modelseal fleet sign key s3://models/released/ --private-key release.key
  $ modelseal fleet sign key catalogue.txt --private-key release.key --queue rediss://queue.example --workers workers.secrets`
