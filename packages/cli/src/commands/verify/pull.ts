import type { Verdict } from '@modelseal/core'
import type { Command } from 'commander'
import { isRemote, useHubsFor } from '../../hubs.ts'
import {
  DEFAULT_MAX_BYTES,
  formatOption,
  nonEmpty,
  withJson,
  withJudging,
  type FormatFlag,
  type JudgingFlags,
} from '../../options.ts'
import { amount, revisionFact, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags extends JudgingFlags, FormatFlag {
  force?: boolean
}

/** `modelseal pull SRC DEST [SRC DEST …]`: verified models in directories. */
export function addPull(program: Command, perform: Perform): void {
  withJudging(withJson(program.command('pull')))
    .description('Download models that satisfy the trust policy, each into a directory of its own.')
    .argument('<source>', 'model: hf://, oci://, s3:// or https:// URL, or a path', nonEmpty)
    .argument(
      '<directory>',
      'where to put it: a new or empty directory, or one with a signed model, which is replaced',
      nonEmpty,
    )
    .argument('[more...]', 'further models, each followed by its directory')
    .addOption(formatOption())
    .option('--force', 'replace a directory that is not a model, with everything in it')
    .addHelpText('after', HELP)
    .action((...[source, directory, more, flags, command]: [string, string, string[], Flags, Command]) => {
      const words = [source, directory, ...more]
      if (words.length % 2 === 1) command.error(`error: '${words.at(-1) ?? ''}' has no directory to put the model into`)
      if (words.includes('')) command.error('error: the path of a model or directory is empty')
      if (flags.signature !== undefined && more.length > 0)
        command.error("error: '--signature' is for one model, and several are given")
      const remote = words.find((word, index) => index % 2 === 0 && isRemote(word))
      return perform((_, given: Flags, session) => pull(words, given, session))(remote ?? source, flags, command)
    })
}

const HELP = `
Each directory then contains the signed files and the bundle, and nothing else. All models are downloaded and verified
before the first directory changes; if anything fails, none of them has changed. A new model is prepared beside its
directory, so there must be room for both. A directory is replaced only if the bundles in it sign everything that is in it. Without --policy, the policy is found as for "modelseal verify".
With several models, --signature is refused.

Exit code: 0 if all models are in place, 1 if a model is refused or cannot be written, 2 if the command line is wrong.

Examples:
  $ modelseal pull hf://org/vad@v1.0 models/vad
  $ modelseal pull s3://models/vad/1.0 models/vad
  $ modelseal pull oci://registry.example/models/vad:1.0 /mnt/models --policy /etc/modelseal/policy.yaml`

async function pull(words: readonly string[], flags: Flags, { signal, onProgress }: Session): Promise<Outcome> {
  const { policy, signature, format, force, maxBundleBytes, maxBytes = DEFAULT_MAX_BYTES } = flags
  await useHubsFor(...words)
  const { pullModels } = await import('@modelseal/core')
  const { shown } = await import('@modelseal/core/errors')
  const pulls = words.flatMap((source, index) =>
    index % 2 === 0 ? [{ source, directory: words[index + 1] ?? '' }] : [],
  )
  const options = { policy, signature, format, force, maxBundleBytes, maxBytes, http: { maxBytes }, signal, onProgress }
  const pulled = await pullModels(pulls, options)
  return {
    lines: pulled.flatMap(({ directory, attestations, verdict }, index) =>
      summary(`Pulled ${shown(pulls[index]?.source ?? '')}`, [
        ['directory', shown(directory)],
        ...revisionFact(verdict.model),
        ['policy', `${shown(verdict.policy)}, rule ${shown(verdict.rule)}`],
        ...signersOf(verdict),
        ['content', amount({ files: verdict.files.checked, bytes: verdict.bytes })],
        ['root digest', `sha256:${verdict.model.rootDigest}`],
        ...(attestations > 0 ? [['attestations', `${attestations} saved`] as const] : []),
      ]),
    ),
    json: pulled.map(({ directory, signatures, attestations, verdict }) => ({
      directory,
      signatures,
      attestations,
      verdict,
    })),
  }
}

function signersOf({ bundles }: Verdict): (readonly [string, string])[] {
  return bundles.flatMap(({ counted, signer }) => (counted && signer ? [['signed by', signer.description]] : []))
}
