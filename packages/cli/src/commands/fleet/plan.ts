import type { Command } from 'commander'
import { withHashing, type HashingFlags } from '../../options.ts'
import { byteCount, counted, jsonLine, printable, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { useHubsFor } from '../../hubs.ts'
import { withCatalogue } from './fleet-options.ts'

interface Flags extends Pick<HashingFlags, 'hashType' | 'shardSize' | 'format' | 'wholeFiles' | 'allowSymlinks'> {
  json?: boolean
}

/** A file that takes one thread several seconds: shards would have other workers help. */
const LARGE = 4 * 1024 * 1024 * 1024

/** `modelseal fleet plan CATALOGUE`: what signing a catalogue would take. */
export function addFleetPlanning(fleet: Command, perform: Perform): void {
  withHashing(withCatalogue(fleet.command('plan')))
    .description('Show what signing a catalogue would take, without hashing anything.')
    .addHelpText('after', HELP)
    .action(perform(plan))
}

const HELP = `
One file is hashed by one worker from its beginning to its end, so signing takes at least as long as the largest file. With --shard-size,
its shards are hashed by many workers.

Example:
  $ modelseal fleet plan models --shard-size 1000000000`

async function plan(catalogue: string, { json, ...how }: Flags, { signal }: Session): Promise<Outcome> {
  const { planCatalogue } = await import('@modelseal/fleet')
  const { shown } = await import('@modelseal/core/errors')
  await useHubsFor('hf:', 's3:')
  const { hashType, shardSize, format, wholeFiles, allowSymlinks } = how
  const sum = { models: 0, failed: 0, onlyHere: 0, files: 0, bytes: 0, jobs: 0 }
  let longest = { name: '', bytes: 0 }
  let large = 0
  for await (const each of planCatalogue(catalogue, {
    hashType,
    shardSize,
    format,
    wholeFiles,
    allowSymlinks,
    signal,
  })) {
    sum.models += 1
    if (json) process.stdout.write(jsonLine({ ok: !('error' in each), command: 'fleet plan', ...each }))
    if ('error' in each) {
      sum.failed += 1
      if (!json) process.stderr.write(`${printable(`${each.model}: ${each.error.code}: ${each.error.message}`)}\n`)
      continue
    }
    sum.files += each.files
    sum.bytes += each.bytes
    sum.jobs += each.jobs
    if (each.onlyHere) sum.onlyHere += 1
    if (each.longest.bytes > LARGE) large += 1
    if (each.longest.bytes > longest.bytes) longest = each.longest
  }
  const facts: [string, string][] = [
    ['models', String(sum.models)],
    ['to hash', `${byteCount(sum.bytes)} of ${counted(sum.files, 'file')}, in ${counted(sum.jobs, 'job')}`],
    ...(longest.bytes > 0
      ? [['longest', `${byteCount(longest.bytes)}, by one worker: ${shown(longest.name)}`] satisfies [string, string]]
      : []),
    ...(large > 0
      ? [
          ['shards', `would help ${counted(large, 'model')} with parts of more than ${byteCount(LARGE)}`] satisfies [
            string,
            string,
          ],
        ]
      : []),
    ...(sum.onlyHere > 0
      ? [
          ['only here', `${counted(sum.onlyHere, 'model')} without versions that workers could check`] satisfies [
            string,
            string,
          ],
        ]
      : []),
    ...(sum.failed > 0 ? [['failed', counted(sum.failed, 'model')] satisfies [string, string]] : []),
  ]
  return {
    lines: summary('Plan', facts),
    json: { result: { ...sum, longest, large } },
    ...(sum.failed > 0 ? { exitCode: 1 } : {}),
  }
}
