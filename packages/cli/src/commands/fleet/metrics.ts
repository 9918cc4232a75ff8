import { Option } from 'commander'
import { nonEmpty } from '../../options.ts'
import { printable } from '../../output.ts'
import type { Session } from '../../perform.ts'

/** `--metrics`, for every command that works for long. */
export function metricsOption(): Option {
  return new Option(
    '--metrics <address>',
    'serve metrics for Prometheus at this port of 127.0.0.1, or at HOST:PORT, while the command runs',
  ).argParser(nonEmpty)
}

/** Serves metrics while the work is done, if there is an address for them. */
export async function withMetrics<T>(
  { metrics, json }: { metrics?: string; json?: boolean },
  { talkative }: Session,
  work: () => Promise<T>,
): Promise<T> {
  if (metrics === undefined) return work()
  const { serveFleetMetrics } = await import('@modelseal/fleet')
  const served = await serveFleetMetrics(metrics)
  if (talkative && !json) process.stderr.write(`${printable(`Metrics are at ${served.url}`)}\n`)
  try {
    return await work()
  } finally {
    await served.close()
  }
}
