import type { AdvisoryFeed, FeedChanges, FeedSource } from '@modelseal/core/advisory'
import type { Command } from 'commander'
import { nonEmpty, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform } from '../../perform.ts'
import { count, entryLines } from './entry-lines.ts'

/** `modelseal advisory show FEED` and `modelseal advisory diff OLD NEW`. */
export function addFeedShowing(advisory: Command, perform: Perform): void {
  withJson(advisory.command('show'))
    .description('Show what a feed says. Verifies nothing.')
    .argument('<feed>', 'the signed feed', nonEmpty)
    .action(perform(show))
  withJson(advisory.command('diff'))
    .description('Show what differs between two versions of a feed. Verifies nothing.')
    .argument('<old>', 'a signed feed, or its source (.yaml, .yml, .json)', nonEmpty)
    .argument('<new>', 'the other one', nonEmpty)
    .addHelpText('after', '\nExample:\n  $ modelseal advisory diff advisories.jsonl advisories.yaml')
    .action((old: string, other: string, flags: object, command: Command) =>
      perform<{ other: string }>(diff)(old, { ...flags, other }, command),
    )
}

async function show(path: string): Promise<Outcome> {
  const { feedEntries, inspectFeed } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const { feed, signers } = await inspectFeed(path)
  const entries = await feedEntries(feed)
  const named = signers.map((signer) => signer?.description ?? 'a signer that cannot be read')
  return {
    lines: [
      ...summary(`Feed ${shown(feed.feed)}`, [
        ...versionFacts(feed),
        ['signer', `${named.join(', ')}, not verified`],
        ['denies', entries.length === 0 ? 'nothing' : count(entries.length)],
      ]),
      ...entryLines(entries, shown, '   '),
    ],
    json: { result: { ...feed, digest: `sha256:${feed.digest}`, signers: signers.map((signer) => signer ?? null) } },
    notes: ['Nothing was verified. "modelseal advisory verify" checks who signed.'],
  }
}

/** Number and times of a version. */
export function versionFacts({ sequence, issued, expires, digest }: AdvisoryFeed): (readonly [string, string])[] {
  const hasExpired = Date.parse(expires) <= Date.now()
  return [
    ['version', `${sequence}`],
    ['issued', issued],
    ['expires', hasExpired ? `${expires}: it has expired` : expires],
    ['digest', `sha256:${digest}`],
  ]
}

async function diff(old: string, { other }: { other: string }): Promise<Outcome> {
  const { compareFeeds } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const [before, after] = [await feedOrSource(old), await feedOrSource(other)]
  const changes = await compareFeeds(before, after)
  return {
    lines: changedLines(changes, shown),
    json: { result: changes },
    notes: [
      ...(before.feed === after.feed ? [] : [`These are two feeds: ${shown(before.feed)} and ${shown(after.feed)}.`]),
      ...(isLower(before, after)
        ? ['The second has a lower number than the first, so services that know the first refuse it.']
        : []),
    ],
  }
}

async function feedOrSource(path: string): Promise<FeedSource | AdvisoryFeed> {
  const { inspectFeed, readFeedSource } = await import('@modelseal/core/advisory')
  return /\.(?:ya?ml|json)$/i.test(path) ? readFeedSource(path) : (await inspectFeed(path)).feed
}

function isLower(before: FeedSource | AdvisoryFeed, after: FeedSource | AdvisoryFeed): boolean {
  return before.feed === after.feed && 'sequence' in before && 'sequence' in after && after.sequence < before.sequence
}

function changedLines({ added, removed, changed }: FeedChanges, shown: (text: string) => string): string[] {
  const lines = [
    ...entryLines(added, shown, '+'),
    ...entryLines(changed, shown, '~'),
    ...entryLines(removed, shown, '-'),
  ]
  return lines.length === 0 ? ['Both deny the same.'] : lines
}
