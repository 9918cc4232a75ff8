import type { Command } from 'commander'
import { withHashing, withJson, withModel, type HashingFlags } from '../options.ts'
import type { Outcome, Perform, Session } from '../perform.ts'

/** `modelseal digest MODEL`: the root digest, as the reference tool prints it. */
export function addDigest(program: Command, perform: Perform): void {
  withJson(withHashing(withModel(program.command('digest'))))
    .description('Print the root digest of a model: the one that a signature is over.')
    .addHelpText('after', HELP)
    .action(perform(digest))
}

const HELP = `
The signature file counts as any other file: where it lies in the model, leave it out by --ignore-paths.

Examples:
  $ modelseal digest models/vad --ignore-paths models/vad/model.sig
  $ modelseal digest --no-ignore-git-paths models/vad`

async function digest(model: string, flags: HashingFlags, session: Session): Promise<Outcome> {
  const { digestModel } = await import('@modelseal/core')
  const { rootDigest, files, bytes } = await digestModel(model, { ...flags, ...session })
  const named = `sha256:${rootDigest}`
  return { lines: [named], json: { result: { rootDigest: named, files, bytes } } }
}
