import type { ImportedVex } from '@modelseal/core/advisory'
import { Option, type Command } from 'commander'
import { nonEmpty, withJson } from '../../options.ts'
import type { Outcome, Perform } from '../../perform.ts'
import { edited } from './edit.ts'
import { entryLines } from './entry-lines.ts'

/** `modelseal advisory export FEED` and `modelseal advisory import DOCUMENT FILE`. */
export function addFeedExchange(advisory: Command, perform: Perform): void {
  withJson(advisory.command('export'))
    .description('Print what a feed denies in another format. Verifies and signs nothing.')
    .argument('<feed>', 'the signed feed', nonEmpty)
    .addOption(new Option('--format <format>', 'format of the document').choices(['openvex']).default('openvex'))
    .addHelpText('after', EXPORT_HELP)
    .action(perform(exportFeed))
  withJson(advisory.command('import'))
    .description('Add what an OpenVEX document calls affected to the source of a feed.')
    .argument('<document>', 'OpenVEX document (JSON)', nonEmpty)
    .argument('<file>', 'source of the feed', nonEmpty)
    .addHelpText('after', IMPORT_HELP)
    .action((document: string, file: string, flags: object, command: Command) =>
      perform<{ file: string }>(importDocument)(document, { ...flags, file }, command),
    )
}

const EXPORT_HELP = `
OpenVEX names models, files and packages. It has no words for signers, attestations and periods: what is left out is
listed on standard error.

Example:
  $ modelseal advisory export advisories.jsonl --format openvex > advisories.openvex.json`

const IMPORT_HELP = `
Products with the status "affected" are added, by package URL and digest, with the vulnerability as the reason. A digest
counts as that of a file. If a later statement about the same vulnerability gives a product another status, such as
"fixed", it is left out. The document is not verified: read the result before you sign it.

Example:
  $ modelseal advisory import CVE-2026-1234.openvex.json advisories.yaml`

async function exportFeed(path: string): Promise<Outcome> {
  const { exportOpenVex, inspectFeed } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const { document, leftOut } = await exportOpenVex((await inspectFeed(path)).feed)
  return {
    lines: JSON.stringify(document, null, 2).split('\n'),
    json: { result: { document, leftOut } },
    notes: entryLines(leftOut, shown, 'Left out:'),
  }
}

async function importDocument(document: string, { file }: { file: string }): Promise<Outcome> {
  const { addToFeed, importOpenVex } = await import('@modelseal/core/advisory')
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const { entries, ...leftOut } = await importOpenVex(document)
  const notes = leftOutNotes(leftOut)
  if (Object.keys(entries).length === 0) {
    throw new ModelSealError(
      'ADVISORY_INVALID',
      `Cannot import ${shown(document)}: it names nothing that can be denied.`,
      {
        file: document,
        expected: 'products with the status "affected" that have a package URL, a SHA-256 or a BLAKE2b digest',
        hint: notes.length === 0 ? undefined : notes.join(' '),
      },
    )
  }
  const outcome = await edited(file, await addToFeed(file, entries, { replace: false }))
  return {
    ...outcome,
    json: { result: { ...('result' in outcome.json ? outcome.json.result : {}), ...leftOut } },
    notes,
  }
}

function leftOutNotes({ unnamed, superseded, subcomponents, others }: Omit<ImportedVex, 'entries'>): string[] {
  return [
    leftOutNote(unnamed, 'affected product', 'has no package URL or digest that can be denied'),
    leftOutNote(superseded, 'affected product', 'has another status in a later statement'),
    leftOutNote(subcomponents, 'subcomponent', 'is only a part of an affected product'),
    leftOutNote(others, 'statement', 'has another status than "affected"'),
  ].flat()
}

/** @param reason begins with "has" or "is" */
function leftOutNote(count: number, what: string, reason: string): string[] {
  if (count === 0) return []
  if (count === 1) return [`1 ${what} was left out: it ${reason}.`]
  const plural = reason.replace(/^has/, 'they have').replace(/^is only a part/, 'they are only parts')
  return [`${count} ${what}s were left out: ${plural}.`]
}
