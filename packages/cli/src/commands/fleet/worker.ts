import type { FleetStatus } from '@modelseal/fleet'
import type { Command } from 'commander'
import { setTimeout } from 'node:timers/promises'
import { useHubsFor } from '../../hubs.ts'
import { nonEmpty, pathOption, pathsOption, withJson, workersOption } from '../../options.ts'
import { byteCount, counted, jsonLine, summary, printable } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { neededQueueOption, positiveCount } from './fleet-options.ts'
import { metricsOption, withMetrics } from './metrics.ts'
import { progressLines } from './progress-lines.ts'

interface WorkerFlags {
  queue: string
  secretFile: string
  root: string[]
  allow: string[]
  concurrency?: number
  metrics?: string
  json?: boolean
}

interface StatusFlags {
  queue: string
  watch?: boolean
  json?: boolean
}

/** Milliseconds between two looks of `status --watch`. */
const EVERY = 2_000

/** `modelseal fleet worker`, `worker-key` and `status`: commands without a catalogue. */
export function addFleetWorking(fleet: Command, perform: Perform): void {
  withJson(fleet.command('worker'))
    .description('Hash what the coordinators of a queue ask for, until interrupted.')
    .addOption(neededQueueOption())
    .addOption(
      pathOption(
        '--secret-file <file>',
        'name and secret of this worker, which only this user can read',
      ).makeOptionMandatory(),
    )
    .addOption(
      pathsOption('--root <directory>', 'directory of models that this worker reads for others; may be repeated'),
    )
    .addOption(pathsOption('--allow <url>', 'beginning of URLs of models, such as hf://acme; may be repeated'))
    .option('--concurrency <count>', 'jobs at a time (default: 2)', positiveCount)
    .addOption(metricsOption())
    .addOption(workersOption())
    .addHelpText('after', WORKER_HELP)
    .action((flags: WorkerFlags, command: Command) =>
      perform<WorkerFlags>((_, given, session) => work(given, session))('', flags, command),
    )
  withJson(fleet.command('status'), 'print a JSON object on a line')
    .description('Show what waits in a queue, and which workers are connected.')
    .addOption(neededQueueOption())
    .option('--watch', 'repeat every two seconds until interrupted')
    .action((flags: StatusFlags, command: Command) =>
      perform<StatusFlags>((_, given, session) => status(given, session))('', flags, command),
    )
  withJson(fleet.command('worker-key'))
    .description('Make a secret for a worker.')
    .argument('<name>', 'name of the worker', nonEmpty)
    .addHelpText('after', KEY_HELP)
    .action(perform(makeKey))
}

const WORKER_HELP = `
A worker has no key and signs nothing. It reads only what --root and --allow name, whoever wrote the job, and authenticates what it found
with its secret. The first SIGTERM or SIGINT ends it, with exit code 0: jobs that it had begun are given to other workers at once.
The second one ends it immediately; others take over some 15 seconds later.

Example:
  $ modelseal fleet worker --queue rediss://queue.example --secret-file host-a.secret --root /srv/models`

const KEY_HELP = `
The line that it prints goes into a file of the worker (--secret-file), and into the file of the coordinator that has a line for each
worker (--workers). Both must be readable by their user only. Nobody else may have it: results that it authenticates are signed.

Example:
  $ (umask 077 && modelseal fleet worker-key host-a > host-a.secret && cat host-a.secret >> workers.secrets)`

async function work(flags: WorkerFlags, session: Session): Promise<Outcome> {
  const { queue, secretFile, root, allow, concurrency } = flags
  const { runWorker } = await import('@modelseal/fleet')
  await useHubsFor('hf:', 's3:')
  const onConnected = (name: string) => {
    if (session.talkative && !flags.json) process.stderr.write(`${name} is connected to the queue.\n`)
  }
  const { signal } = session
  const options = { queue, secretFile, roots: root, urls: allow, concurrency, signal, onConnected }
  const { jobs } = await withMetrics(flags, session, () => runWorker(options))
  return {
    lines: [`Stopped after ${counted(jobs, 'job')}.`],
    json: { result: { jobs } },
    exitCode: 0,
    // BullMQ goes on looking for a Redis that is away.
    afterwards: () => process.exit(),
  }
}

async function status({ queue, watch, json }: StatusFlags, { signal }: Session): Promise<Outcome> {
  const { fleetStatus } = await import('@modelseal/fleet')
  let latest = await fleetStatus(queue, signal)
  while (watch && !signal.aborted) {
    if (json) process.stdout.write(jsonLine({ ok: true, command: 'fleet status', result: latest }))
    else
      process.stdout.write(
        linesOf(latest)
          .map((line) => `${printable(line)}\n`)
          .join(''),
      )
    await setTimeout(EVERY, undefined, { signal }).catch(() => undefined)
    latest = await fleetStatus(queue)
  }
  const { workers, redisBytes, runs, ...counts } = latest
  return {
    lines: [
      ...summary('Queue', [
        ...Object.entries(counts).map(([name, number]) => [name, counted(number, 'job')] as const),
        ['workers', workers.length === 0 ? 'none' : workers.join(', ')],
        ['memory', byteCount(redisBytes)],
      ]),
      ...runs.flatMap((run) => ['Run', ...progressLines(run, screen()).map((line) => `  ${line}`)]),
    ],
    json: { result: latest },
  }
}

/** What `--watch` prints each time. */
function linesOf({ waiting, active, done, failed, workers, redisBytes, runs }: FleetStatus): string[] {
  const jobs = `${waiting} waiting, ${active} active, ${done} done, ${failed} failed`
  return [
    `${jobs}, ${counted(workers.length, 'worker')}, ${byteCount(redisBytes)}`,
    ...runs.flatMap((run) => progressLines(run, screen()).map((line) => `  ${line}`)),
  ]
}

/** Lines have an indentation. */
function screen(): { columns: number; rows: number } {
  const { columns, rows } = process.stdout.isTTY ? process.stdout : { columns: 80, rows: 24 }
  return { columns: columns - 2, rows }
}

async function makeKey(name: string): Promise<Outcome> {
  const { newWorkerKey } = await import('@modelseal/fleet')
  const line = newWorkerKey(name).trim()
  return { lines: [line], json: { result: { line } } }
}
