import { namedKind, type NamedKind } from '../../attestation/kinds/named-kinds.ts'
import { shown } from '../../errors.ts'
import type { AcceptedSigner } from '../methods/methods.ts'
import { parseDuration, type Duration } from '../schema/duration.ts'
import { isCaseless } from './caseless.ts'
import { compileCondition, type Condition } from './condition.ts'
import type { AttestationText } from './schema.ts'

/** An attestation that a rule requires. */
export interface AttestationDemand {
  /** As written in the policy: the name of a kind, or the URI of a predicate type. */
  type: string
  /** Undefined for the URI of a predicate type that is not known, or that several kinds share. */
  kind: NamedKind | undefined
  signers: readonly AcceptedSigner[]
  threshold: number
  maxAge: { written: string; duration: Duration } | undefined
  conditions: readonly Condition[]
}

/** @param signers those of the demand, or those of the rule */
export function compileAttestation(text: AttestationText, signers: readonly AcceptedSigner[]): AttestationDemand {
  const { type, threshold = 1, maxAge, where = [] } = text
  const duration = maxAge === undefined ? undefined : parseDuration(maxAge)
  return {
    type,
    kind: namedKind(type),
    signers,
    threshold,
    maxAge: duration && maxAge !== undefined ? { written: maxAge, duration } : undefined,
    conditions: where.map((condition) => compileCondition(condition, isCaseless(condition, type))),
  }
}

/** What is demanded, for messages: `an evaluation`, `an attestation of the type "…"`. */
export function demandWords({ type, kind }: AttestationDemand): string {
  return kind?.what ?? `an attestation of the type ${shown(type)}`
}
