import type { FleetOptions, RejectedResult } from '@modelseal/fleet'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { useHubsFor } from '../../hubs.ts'
import { nonEmpty, pathOption, withJson, workersOption } from '../../options.ts'
import { printable } from '../../output.ts'
import type { Session } from '../../perform.ts'
import { metricsOption } from './metrics.ts'

/** Reasons for which results do not count, of which each is told once. Anyone may write results with others. */
const MOST_REASONS = 20

/** Flags of every command that works through a catalogue. */
export interface FleetFlags {
  queue?: string
  workers?: string
  results?: string
  audit?: number
  perSource?: number
  bundles?: string
  metrics?: string
  progress?: boolean
  json?: boolean
}

/** Adds the catalogue and the options of {@link FleetFlags}. */
export function withFleet(command: Command): Command {
  return withCatalogue(command)
    .addOption(queueOption())
    .addOption(pathOption('--workers <file>', 'names and secrets of the workers, a line for each; needed with --queue'))
    .addOption(
      pathOption(
        '--results <directory>',
        'where to keep the results of finished jobs (default: ".modelseal-fleet" beside the catalogue)',
      ),
    )
    .option(
      '--audit <percent>',
      'have this share of the jobs done by two different workers, which must both be connected (default: 0)',
      percent,
    )
    .option('--per-source <count>', 'jobs that read one host or bucket at a time (default: 64)', positiveCount)
    .option('--progress', 'report progress on standard error even if it is not a terminal')
    .addOption(metricsOption())
    .addOption(
      pathOption(
        '--bundles <directory>',
        'bundles of models that are not on this machine (default for s3://: beside the model)',
      ),
    )
}

/** Adds the catalogue, and what every command about one has. */
export function withCatalogue(command: Command): Command {
  return withJson(command, 'print a JSON object on a line for each model, and one for all')
    .argument(
      '<catalogue>',
      'file with the path or URL of a model on each line, directory of models, or s3://BUCKET/PREFIX/',
      nonEmpty,
    )
    .addOption(workersOption())
}

/** `--queue`, for commands that are about nothing else. */
export function neededQueueOption(): Option {
  return queueOption('').makeOptionMandatory()
}

function queueOption(otherwise = ' (default: this process works alone)'): Option {
  return new Option('--queue <url>', `Redis of the workers, redis:// or rediss://${otherwise}`)
    .env('MODELSEAL_QUEUE')
    .argParser(nonEmpty)
}

/** Where lines for people go while a run goes on. */
export interface Messages {
  write: (line: string) => void
}

/** The options of the package for {@link FleetFlags}, and what a run reports while it goes on. */
export async function fleetOptions(
  { queue, workers, results, audit, perSource, bundles }: FleetFlags,
  { signal }: Session,
): Promise<{ options: FleetOptions & { bundles: string | undefined }; messages: Messages }> {
  // What the catalogue names is only known line by line.
  await useHubsFor('hf:', 's3:')
  const messages: Messages = { write: (line) => void process.stderr.write(`${printable(line)}\n`) }
  const reasons = new Set<string>()
  const onRejected = ({ job, reason }: RejectedResult) => {
    if (reasons.has(reason) || reasons.size >= MOST_REASONS) return
    reasons.add(reason)
    messages.write(
      `Warning: a result of the job ${job.slice(0, 16)} does not count: ${reason}. Others like it are only counted.`,
    )
  }
  return {
    options: {
      queue,
      workers,
      results,
      audit,
      perSource,
      bundles,
      signal,
      onRejected,
      onWaiting: (message) => messages.write(message),
    },
    messages,
  }
}

export function positiveCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a positive integer.')
}

function percent(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value <= 100) return value
  throw new InvalidArgumentError('Expected a number from 0 to 100.')
}
