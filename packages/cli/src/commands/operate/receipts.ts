import type { Command } from 'commander'
import { nonEmpty, withJson } from '../../options.ts'
import type { Outcome, Perform } from '../../perform.ts'

/** `modelseal receipts list|drop`: lists and removes receipts. */
export function addReceipts(program: Command, perform: Perform): void {
  const group = program
    .command('receipts')
    .description(
      'List or remove receipts. A model with a receipt need not be hashed again on this machine if the policy allows it.',
    )
  withJson(group.command('list'))
    .description('List the receipts of this user.')
    .action((flags: { json?: boolean }, command: Command) => perform(list)('', flags, command))
  withJson(group.command('drop'))
    .description('Remove the receipts of a model, so that its next load hashes it, or, with --all, all receipts.')
    .argument('[model]', 'directory or file of the model, or a file in its directory', nonEmpty)
    .option('--all', 'remove the receipts of all models')
    .action((model: string | undefined, flags: DropFlags, command: Command) => {
      if ((model === undefined) !== (flags.all === true)) command.error("error: give either a model or '--all'")
      return perform(drop)(model ?? '', flags, command)
    })
}

interface DropFlags {
  all?: boolean | undefined
  json?: boolean
}

async function list(): Promise<Outcome> {
  const { listReceipts } = await import('@modelseal/core')
  const { shown } = await import('@modelseal/core/errors')
  const receipts = await listReceipts()
  const lines = receipts.map(
    ({ model, hashedAt, files, rootDigest }) =>
      `${hashedAt}  ${shown(model)}  ${files} ${files === 1 ? 'file' : 'files'}, sha256:${rootDigest}`,
  )
  return { lines: lines.length === 0 ? ['There are no receipts.'] : lines, json: { result: { receipts } } }
}

async function drop(model: string, { all }: DropFlags): Promise<Outcome> {
  const { dropReceipts } = await import('@modelseal/core')
  const { shown } = await import('@modelseal/core/errors')
  const dropped = await (all ? dropReceipts() : dropReceipts(model))
  const none = all ? 'There are no receipts.' : `There is no receipt for ${shown(model)}.`
  return {
    lines: [dropped === 0 ? none : `Removed ${dropped} ${dropped === 1 ? 'receipt' : 'receipts'}.`],
    json: { result: { dropped } },
  }
}
