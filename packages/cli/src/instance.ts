import type { TrustRootSource, TufInstance } from '@modelseal/core/verification'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { pathOption } from './options.ts'

/** Options that name a Sigstore instance. */
export interface InstanceFlags {
  useStaging?: boolean | undefined
  trustConfig?: string | undefined
  tufUrl?: string | undefined
  tufRoot?: string | undefined
}

/** Adds the options of {@link InstanceFlags}. */
export function withInstance(command: Command): Command {
  return withTuf(command).addOption(
    pathOption('--trust-config <path>', 'private instance: ClientTrustConfig or trusted_root.json').conflicts([
      'useStaging',
      'tufUrl',
      'tufRoot',
    ]),
  )
}

/** Adds those of them that name an instance that distributes its root by TUF. */
export function withTuf(command: Command): Command {
  return command
    .addOption(
      new Option('--use-staging', "Sigstore's staging instance").conflicts(['trustConfig', 'tufUrl', 'tufRoot']),
    )
    .addOption(
      new Option('--tuf-url <url>', 'private instance: URL of its TUF repository, fetched with "trust-root update"'),
    )
    .addOption(pathOption('--tuf-root <path>', 'root.json of that repository, from its operator'))
}

/** The named instance, or else the public-good instance. */
export function instanceOf({ trustConfig, ...flags }: InstanceFlags): TrustRootSource {
  return trustConfig === undefined ? tufInstanceOf(flags) : { file: trustConfig }
}

/** An instance that distributes its root by TUF. */
export function tufInstanceOf({ useStaging, tufUrl, tufRoot }: InstanceFlags): TufInstance {
  if (tufUrl !== undefined && tufRoot !== undefined) return { tufUrl, tufRoot }
  if (tufUrl !== undefined || tufRoot !== undefined)
    throw new InvalidArgumentError('The options --tuf-url and --tuf-root must be used together.')
  return useStaging ? 'staging' : 'public-good'
}
