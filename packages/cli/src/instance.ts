import type { TrustRootSource } from '@modelseal/core'
import { Option, type Command } from 'commander'
import { pathOption } from './options.ts'

/** Which Sigstore instance is meant. */
export interface InstanceFlags {
  useStaging?: boolean | undefined
  trustConfig?: string | undefined
}

/** Adds the options of {@link InstanceFlags}. */
export function withInstance(command: Command): Command {
  return command
    .addOption(new Option('--use-staging', "Sigstore's staging instance").conflicts('trustConfig'))
    .addOption(pathOption('--trust-config <path>', 'a private instance: ClientTrustConfig, or trusted_root.json'))
}

/** The public-good instance, where no other is named. */
export function instanceOf({ useStaging, trustConfig }: InstanceFlags): TrustRootSource {
  if (trustConfig !== undefined) return { file: trustConfig }
  return useStaging ? 'staging' : 'public-good'
}
