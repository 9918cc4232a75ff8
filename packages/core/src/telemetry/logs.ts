import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as api from '@opentelemetry/api'
import { propertyOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import {
  ADVISORY_CHANNEL,
  JOURNAL_CHANNEL,
  POLICY_CHANNEL,
  REVOKED_CHANNEL,
  VERDICT_CHANNEL,
  type AdvisoryChange,
  type AdvisoryFailure,
  type JournalState,
  type PolicyReload,
  type Revoked,
} from '../events.ts'
import { loadRecord } from '../journal/recording/load-record.ts'
import { safePath } from '../journal/recording/safe-text.ts'
import { having } from '../kinds.ts'
import type { Verdict } from '../results.ts'
import { withoutSecrets } from '../secrets.ts'
import { snapshot, type Shape } from '../snapshot.ts'

/** A provider of loggers, as OpenTelemetry defines it. */
export interface LogProvider {
  getLogger: (name: string) => { emit: (record: EmittedLog) => void }
}

/** A log record, as OpenTelemetry defines it. */
export interface EmittedLog {
  eventName: string
  timestamp: Date
  severityNumber: number
  severityText: string
  body: string
  attributes: Record<string, string | number | boolean | string[]>
}

export interface LogOptions {
  /** Provider of the logger (default: the global one, which needs `@opentelemetry/api` 1.10). */
  loggerProvider?: LogProvider | undefined
}

const OPTIONS: Shape<LogOptions> = {
  loggerProvider: having(
    'a provider with getLogger()',
    (value) => typeof propertyOf(value, 'getLogger') === 'function',
  ),
}

/**
 * Turns what happens to models into OpenTelemetry log records: `modelseal.load` for each verdict, `modelseal.revoked` for each model that
 * was revoked after it was loaded, and `modelseal.policy`, `modelseal.advisory` and `modelseal.journal` for other versions of policies and
 * feeds and for journals that cannot be written. A record has the same facts as in a journal, and no secret. The end of a load is in
 * journals only.
 *
 * @returns a function that stops it
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * import { instrumentLogs } from '@modelseal/core/opentelemetry'
 * const stop = instrumentLogs()
 * ```
 */
export function instrumentLogs(given?: LogOptions): () => void {
  const { loggerProvider = globalProvider() } = snapshot(given, OPTIONS, 'instrumentLogs')
  const logger = loggerProvider.getLogger('@modelseal/core')
  const listeners = Object.entries(EVENTS).map(([channel, recordOf]) => {
    const listener = (message: unknown) => logger.emit(recordOf(message as never))
    subscribe(channel, listener)
    return { channel, listener }
  })
  return () => {
    for (const { channel, listener } of listeners) unsubscribe(channel, listener)
  }
}

/** Older versions of the package have none. */
function globalProvider(): LogProvider {
  const logs: unknown = propertyOf(api, 'logs')
  if (typeof logs === 'object' && logs !== null) return logs as LogProvider
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot find the global provider of loggers.', {
    hint: 'Install @opentelemetry/api 1.10 or later, or give the option "loggerProvider".',
  })
}

/** Severities of the data model of OpenTelemetry logs. */
const SEVERITIES = { INFO: 9, WARN: 13, ERROR: 17 } as const

type Severity = keyof typeof SEVERITIES
type Attributes = Record<string, EmittedLog['attributes'][string] | undefined>

/** One record for each channel. */
const EVENTS: Record<string, (message: never) => EmittedLog> = {
  [VERDICT_CHANNEL]: (verdict: Verdict) => {
    const { error, wouldRefuse, decision, model } = verdict
    const severity = decision === 'refused' ? 'ERROR' : wouldRefuse ? 'WARN' : 'INFO'
    const problem = error ?? wouldRefuse
    const body = `${shown(model.path)} was ${decision}${problem ? `: ${problem.message}` : ''}`
    return log('modelseal.load', { severity, body, at: verdict.at }, attributesOf(verdict))
  },
  [REVOKED_CHANNEL]: ({ model, verdict, error }: Revoked) => {
    const { cause } = error
    const reason = cause instanceof ModelSealError ? cause : error
    const body = `${shown(model)} was revoked: ${reason.message}`
    return log(
      'modelseal.revoked',
      { severity: 'ERROR', body },
      { ...attributesOf(verdict), 'modelseal.code': reason.code },
    )
  },
  [POLICY_CHANNEL]: ({ path, digest, error }: PolicyReload) =>
    log(
      'modelseal.policy',
      {
        severity: error ? 'ERROR' : 'INFO',
        body: error ? `The new version of the policy is not used: ${error.message}` : 'The policy has a new version.',
      },
      {
        'modelseal.policy.path': safePath(path, 'full'),
        'modelseal.policy.digest': digest,
        'modelseal.code': error?.code,
      },
    ),
  [ADVISORY_CHANNEL]: (message: AdvisoryChange | AdvisoryFailure) => {
    const { source } = message
    const change = 'error' in message ? undefined : message
    const error = 'error' in message ? message.error : undefined
    return log(
      'modelseal.advisory',
      {
        severity: error ? 'WARN' : 'INFO',
        body: error ? `The feed could not be read: ${error.message}` : 'The feed has a new version.',
      },
      {
        'modelseal.advisory.source': safePath(source, 'full'),
        'modelseal.advisory.feed': change?.feed,
        'modelseal.advisory.sequence': change?.sequence,
        'modelseal.code': error?.code,
      },
    )
  },
  [JOURNAL_CHANNEL]: ({ directory, lost, error }: JournalState) =>
    log(
      'modelseal.journal',
      {
        severity: error ? 'ERROR' : 'INFO',
        body: error ? error.message : 'The journal can be written again.',
      },
      {
        'modelseal.journal.directory': safePath(directory, 'full'),
        'modelseal.journal.lost': lost,
        'modelseal.code': error?.code,
      },
    ),
}

/** What the record of a journal has. */
function attributesOf(verdict: Verdict): Attributes {
  const { decision, code, wouldRefuse, rule, mode, by, model, rootDigest, policy, signers } = loadRecord(
    verdict,
    new Map(),
    'full',
  )
  const proven = signers.filter(({ counted }) => counted)
  return {
    'modelseal.decision': decision,
    'modelseal.code': code ?? wouldRefuse,
    'modelseal.rule': rule,
    'modelseal.mode': mode,
    'modelseal.by': by,
    'modelseal.model.path': model.path,
    'modelseal.model.url': model.url,
    'modelseal.model.revision': model.revision,
    'modelseal.model.name': model.name,
    'modelseal.model.root_digest': rootDigest,
    'modelseal.policy.path': policy?.path,
    'modelseal.policy.digest': policy?.digest,
    'modelseal.signers': proven.map(({ name }) => name),
    'modelseal.signers.fingerprints': proven.map(({ fingerprint }) => fingerprint),
  }
}

interface Told {
  severity: Severity
  body: string
  /** Default: now. */
  at?: string
}

function log(eventName: string, { severity, body, at }: Told, attributes: Attributes): EmittedLog {
  const known = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, told(value)] as const],
  )
  return {
    eventName,
    timestamp: at === undefined ? new Date() : new Date(at),
    severityNumber: SEVERITIES[severity],
    severityText: severity,
    body: withoutSecrets(body),
    attributes: Object.fromEntries(known),
  }
}

function told(value: EmittedLog['attributes'][string]): EmittedLog['attributes'][string] {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  return typeof value === 'string' ? withoutSecrets(value) : value
}
