import type { Command } from 'commander'
import { hashingOptions, withHashing, withJson, withModel, type HashingFlags } from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

/** `modelseal digest MODEL`: the root digest, as the reference tool prints it. */
export function addDigest(program: Command, perform: Perform): void {
  withJson(withHashing(withModel(program.command('digest'))))
    .description('Print the root digest of a model: the value that signatures cover.')
    .addHelpText('after', HELP)
    .action(perform(digest))
}

const HELP = `
A signature bundle in the directory counts like any other file, as in the reference tool. A note then gives the digest
without it, which is the one that was signed and that "rootDigest" and "revoked.rootDigests" in policies refer to.

Examples:
  $ modelseal digest models/vad --ignore-paths models/vad/model.sig
  $ modelseal digest --no-ignore-git-paths models/vad`

async function digest(model: string, flags: HashingFlags, session: Session): Promise<Outcome> {
  const { digestModel } = await import('@modelseal/core/signing')
  const { rootDigest, files, bytes, revision, bundles } = await digestModel(
    model,
    hashingOptions(model, flags, session),
  )
  const named = `sha256:${rootDigest}`
  const outcome = { lines: [named], json: { result: { rootDigest: named, files, bytes, revision } } }
  if (!bundles) return outcome
  const { names, rootDigest: signed } = bundles
  const without = signed === undefined ? {} : { rootDigest: `sha256:${signed}` }
  return {
    ...outcome,
    json: { result: { ...outcome.json.result, bundles: { names, ...without } } },
    notes: [
      `The digest includes ${names.join(' and ')}, which signatures exclude. Policies compare the digest without ${names.length === 1 ? 'it' : 'them'}${
        signed === undefined ? '.' : `: sha256:${signed}`
      }`,
    ],
  }
}
