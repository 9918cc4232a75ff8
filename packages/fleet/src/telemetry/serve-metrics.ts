import type { MeterProvider } from '@opentelemetry/api'
import type { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { optionalPackage, requireFrom } from '../optional-package.ts'
import { countFleet } from './count-fleet.ts'

const EXPORTER = '@opentelemetry/exporter-prometheus'

/** Where metrics are served. */
export interface ServedMetrics {
  /** For Prometheus to scrape. */
  readonly url: string
  /** Stops counting and serving. */
  close(): Promise<void>
}

interface Sdk {
  MeterProvider: new (options: { readers: PrometheusExporter[] }) => MeterProvider & { shutdown(): Promise<void> }
}

/**
 * Serves the metrics of the coordinators and workers of this process for Prometheus, at the path `/metrics`. Needs the optional peer
 * `@opentelemetry/exporter-prometheus`.
 *
 * @param address a port of the loopback address, or a host and a port: `9464`, `0.0.0.0:9464`, `[::1]:9464`
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` (no such address), `FLEET_METRICS` (it cannot be listened at), `FLEET_PACKAGES`
 * @example
 * ```ts
 * const metrics = await serveFleetMetrics('9464')
 * await metrics.close()
 * ```
 */
export async function serveFleetMetrics(address: string): Promise<ServedMetrics> {
  const { host, port } = placeOf(address)
  const { exporter, sdk } = packages()
  // The resource names only the path of Node.js.
  const reader = new exporter.PrometheusExporter({ host, port, preventServerStart: true, withoutTargetInfo: true })
  const provider = new sdk.MeterProvider({ readers: [reader] })
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`
  try {
    await reader.startServer()
  } catch (cause) {
    throw new ModelSealError('FLEET_METRICS', `Cannot serve the metrics at ${shown(url)}: ${messageOf(cause)}.`, {
      hint: 'Give another address or port.',
      cause,
    })
  }
  const stop = countFleet(provider)
  return {
    url,
    close: async () => {
      stop()
      await provider.shutdown()
    },
  }
}

function placeOf(address: string): { host: string; port: number } {
  const [, bracketed, plain, digits = ''] = /^(?:\[([0-9a-f:.]+)\]:|([^:[\]/\s]+):)?([0-9]{1,5})$/i.exec(address) ?? []
  const port = Number(digits)
  if (digits !== '' && port >= 1 && port <= 65_535) return { host: bracketed ?? plain ?? '127.0.0.1', port }
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot serve the metrics: the address is wrong.', {
    expected: 'a port, or a host and a port such as 127.0.0.1:9464',
    found: shown(address),
  })
}

function packages(): { exporter: { PrometheusExporter: typeof PrometheusExporter }; sdk: Sdk } {
  const needed = { what: 'serve the metrics', install: EXPORTER }
  const exporter = optionalPackage(EXPORTER, needed) as { PrometheusExporter: typeof PrometheusExporter }
  // The version that the exporter itself uses.
  const fromExporter = requireFrom(requireFrom(import.meta.url).resolve(EXPORTER))
  return { exporter, sdk: optionalPackage('@opentelemetry/sdk-metrics', needed, fromExporter) as Sdk }
}
