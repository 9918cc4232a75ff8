/**
 * Turns what happens in a fleet into OpenTelemetry metrics. Needs the optional peer `@opentelemetry/api`.
 *
 * @example
 * ```ts
 * import { instrumentFleet } from '@modelseal/fleet/opentelemetry'
 *
 * const stop = instrumentFleet()
 * ```
 *
 * @packageDocumentation
 */
import { ModelSealError } from '@modelseal/core/errors'
import { metrics, type MeterProvider } from '@opentelemetry/api'
import { countFleet } from './count-fleet.ts'

/** Where the metrics of a fleet go. */
export interface FleetTelemetryOptions {
  /** Provider of the meter (default: the global one). */
  meterProvider?: MeterProvider | undefined
}

/**
 * Counts what the coordinators and workers of this process do, in the metrics `modelseal.fleet.…`.
 *
 * @returns a function that stops the instrumentation
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * import { instrumentFleet } from '@modelseal/fleet/opentelemetry'
 * const stop = instrumentFleet()
 * ```
 */
export function instrumentFleet({ meterProvider }: FleetTelemetryOptions = {}): () => void {
  const provider = meterProvider ?? metrics.getMeterProvider()
  if (typeof provider.getMeter !== 'function')
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot instrument the fleet: there is no provider of a meter.', {
      expected: 'a provider with getMeter()',
    })
  return countFleet(provider)
}
