/**
 * Turns verified loads into OpenTelemetry spans, metrics and log records. Needs the optional peer `@opentelemetry/api`.
 *
 * @example
 * ```ts
 * import { instrumentLoads } from '@modelseal/core/opentelemetry'
 *
 * const stop = instrumentLoads()
 * ```
 *
 * @packageDocumentation
 */
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import {
  metrics,
  SpanStatusCode,
  trace,
  type Attributes,
  type MeterProvider,
  type Span,
  type TracerProvider,
} from '@opentelemetry/api'
import { propertyOf } from '../any-realm.ts'
import type { ModelSealError } from '../errors.ts'
import {
  ADVISORY_CHANNEL,
  LOAD_CHANNEL,
  REVOKED_CHANNEL,
  VERDICT_CHANNEL,
  type AdvisoryChange,
  type AdvisoryFailure,
  type LoadTrace,
  type Revoked,
} from '../events.ts'
import { having } from '../kinds.ts'
import { snapshot, type Shape } from '../snapshot.ts'
import type { Verdict } from '../results.ts'

export { instrumentLogs, type EmittedLog, type LogOptions, type LogProvider } from './logs.ts'

export interface TelemetryOptions {
  /** Provider of the tracer (default: the global one). */
  tracerProvider?: TracerProvider | undefined
  /** Provider of the meter (default: the global one). */
  meterProvider?: MeterProvider | undefined
}

/**
 * Turns verified loads into OpenTelemetry: a span `modelseal.load` around each, and the metrics
 * `modelseal.loads` (by decision, rule and code), `modelseal.load.duration` (seconds), `modelseal.hashed` (bytes) and `modelseal.revoked`,
 * the models that were revoked after they were loaded (by rule and the code of the reason). For the advisory feeds that policies follow, there are
 * `modelseal.advisories.versions`, the new versions (by source), and `modelseal.advisories.failures`, the failures to look for one (by
 * source and code). Reports nothing about a load beyond its verdict.
 *
 * @returns a function that stops the instrumentation
 * @example
 * ```ts
 * import { instrumentLoads } from '@modelseal/core/opentelemetry'
 * const stop = instrumentLoads()
 * ```
 */
export function instrumentLoads(given?: TelemetryOptions): () => void {
  const options = snapshot(given, OPTIONS, 'instrumentLoads')
  const stopTracing = traceLoads(options.tracerProvider ?? trace.getTracerProvider())
  const meters = options.meterProvider ?? metrics.getMeterProvider()
  const stopCounting = countLoads(meters)
  const stopFollowing = countVersions(meters)
  return () => {
    stopTracing()
    stopCounting()
    stopFollowing()
  }
}

const providing = (method: string) =>
  having(`a provider with ${method}()`, (value) => typeof propertyOf(value, method) === 'function')

const OPTIONS: Shape<TelemetryOptions> = {
  tracerProvider: providing('getTracer'),
  meterProvider: providing('getMeter'),
}

const NAME = '@modelseal/core'

function traceLoads(provider: TracerProvider): () => void {
  const tracer = provider.getTracer(NAME)
  const spans = new WeakMap<object, Span>()
  const handlers = {
    start: (load: LoadTrace) => {
      spans.set(load, tracer.startSpan('modelseal.load', { attributes: { 'modelseal.model.path': load.model } }))
    },
    end: () => {},
    asyncStart: () => {},
    asyncEnd: (load: LoadTrace) => {
      const span = spans.get(load)
      const verdict = load.verdict
      if (span && verdict) describe(span, verdict)
      span?.end()
    },
    error: () => {},
  }
  const loads = tracingChannel<object, LoadTrace>(LOAD_CHANNEL)
  loads.subscribe(handlers)
  return () => loads.unsubscribe(handlers)
}

function describe(span: Span, verdict: Verdict): void {
  const { model, files, bytes, error, wouldRefuse } = verdict
  span.setAttributes({
    ...commonAttributes(verdict),
    ...(model.name === undefined ? {} : { 'modelseal.model.name': model.name }),
    ...(model.rootDigest === undefined ? {} : { 'modelseal.model.root_digest': model.rootDigest }),
    'modelseal.files.checked': files.checked,
    'modelseal.bytes': bytes,
    'modelseal.signers': verdict.bundles.flatMap(({ counted, signer }) => (counted && signer ? [signer.name] : [])),
  })
  const failure = error ?? wouldRefuse
  if (error) span.setStatus({ code: SpanStatusCode.ERROR, message: error.code })
  if (failure) span.addEvent('modelseal.refusal', { 'modelseal.code': failure.code })
}

function countLoads(provider: MeterProvider): () => void {
  const meter = provider.getMeter(NAME)
  const loads = meter.createCounter('modelseal.loads', { description: 'Verified loads, by decision' })
  const duration = meter.createHistogram('modelseal.load.duration', {
    unit: 's',
    description: 'Duration of a verified load',
  })
  const hashed = meter.createCounter('modelseal.hashed', { unit: 'By', description: 'Bytes hashed' })
  const onVerdict = (message: unknown) => {
    const verdict = message as Verdict
    const attributes = commonAttributes(verdict)
    const { policy, verification, hashing } = verdict.durations
    loads.add(1, attributes)
    duration.record((policy + verification + hashing) / 1000, attributes)
    hashed.add(verdict.bytes, attributes)
  }
  const revoked = meter.createCounter('modelseal.revoked', { description: 'Models revoked after they were loaded' })
  const onRevoked = (message: unknown) => {
    const { verdict, error } = message as Revoked
    const code: unknown = propertyOf(error.cause as ModelSealError, 'code')
    revoked.add(1, {
      ...commonAttributes(verdict),
      'modelseal.code': typeof code === 'string' ? code : error.code,
    })
  }
  subscribe(VERDICT_CHANNEL, onVerdict)
  subscribe(REVOKED_CHANNEL, onRevoked)
  return () => {
    unsubscribe(VERDICT_CHANNEL, onVerdict)
    unsubscribe(REVOKED_CHANNEL, onRevoked)
  }
}

function countVersions(provider: MeterProvider): () => void {
  const meter = provider.getMeter(NAME)
  const versions = meter.createCounter('modelseal.advisories.versions', {
    description: 'New versions of advisory feeds',
  })
  const failures = meter.createCounter('modelseal.advisories.failures', {
    description: 'Failures to look for a new version of an advisory feed',
  })
  const onAdvisory = (message: unknown) => {
    const { source, error } = message as AdvisoryChange | AdvisoryFailure
    const attributes = { 'modelseal.advisory.source': source }
    if (error) failures.add(1, { ...attributes, 'modelseal.code': error.code })
    else versions.add(1, attributes)
  }
  subscribe(ADVISORY_CHANNEL, onAdvisory)
  return () => void unsubscribe(ADVISORY_CHANNEL, onAdvisory)
}

/** Attributes with few distinct values, so that they suit metrics. */
function commonAttributes({ decision, rule, mode, error, wouldRefuse }: Verdict): Attributes {
  const failure = error ?? wouldRefuse
  return {
    'modelseal.decision': decision,
    ...(rule === undefined ? {} : { 'modelseal.rule': rule }),
    ...(mode === undefined ? {} : { 'modelseal.mode': mode }),
    ...(failure === undefined ? {} : { 'modelseal.code': failure.code }),
  }
}
