import { ModelSealError, shown } from '@modelseal/core/errors'
import { periodOf, type Period } from './counting.ts'
import type { Incident, IncidentQuery } from './incident.ts'

type Kind = Incident['query']['kind']

export interface CheckedQuery {
  kind: Kind
  value: string
  period: Period
  told: Incident['query']
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkedQuery(journals: readonly string[], given: IncidentQuery): CheckedQuery {
  if (journals.length === 0) throw refused('No journal is given.')
  const kinds = (['signer', 'model', 'file', 'policy'] as const).filter((kind) => given[kind] !== undefined)
  const [kind] = kinds
  if (!kind || kinds.length > 1) throw refused('Give exactly one of signer, model, file and policy.')
  const period = periodOf(given)
  if (!(period.from < period.to))
    throw refused('The time since which loads are sought is not before the time until which they are.')
  const value = soughtValue(kind, given[kind] ?? '')
  const { since, until } = given
  const told = {
    kind,
    value,
    ...(since && { since: since.toISOString() }),
    ...(until && { until: until.toISOString() }),
  }
  return { kind, value, period, told }
}

/** As OpenSSL prints it: after `sha256 Fingerprint=`, in pairs with colons. */
const FINGERPRINT = /^(?:sha-?256(?: fingerprint)?[:=] ?)?([0-9a-f]{2}(?:[: ]?[0-9a-f]{2}){31})$/i
const SHA256 = /^(?:sha256:)?([0-9a-f]{64})$/i
const ANY_DIGEST = /^(?:[a-z0-9]+:)?([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i

const FORMS: Record<Kind, { form: RegExp; expected: string }> = {
  signer: { form: FINGERPRINT, expected: 'a SHA-256 fingerprint of 64 hex digits' },
  model: { form: SHA256, expected: 'a root digest of 64 hex digits' },
  file: { form: ANY_DIGEST, expected: 'a digest of 64, 96 or 128 hex digits' },
  policy: { form: SHA256, expected: 'a SHA-256 of 64 hex digits' },
}

/** A digest that nothing can have is refused: the answer "not loaded" would be wrong about what was meant. */
function soughtValue(kind: Kind, text: string): string {
  const { form, expected } = FORMS[kind]
  const [, digest] = form.exec(text) ?? []
  if (digest !== undefined) return digest.replace(/[: ]/g, '').toLowerCase()
  if (kind === 'signer' && text !== '' && !/^sha-?\d+(?: fingerprint)?[:=]/i.test(text)) return text
  throw refused(`Invalid value for option "${kind}".`, { expected, found: shown(text) })
}

function refused(sentence: string, details: { expected?: string; found?: string } = {}): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', sentence, details)
}
