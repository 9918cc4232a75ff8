import type * as s from '../../schema/define.ts'
import type { ErrorCode } from '../../errors.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { Danger } from '../checking/finding.ts'
import type { RuleMatch } from '../matching/match.ts'
import type { AcceptedSigner } from '../methods/methods.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import type { Validity } from '../signature-time.ts'
import type { CheckName } from '../../results.ts'

/**
 * Everything that the policy knows about one requirement of signatures. To add one, add a file beside this one, its test, and a
 * line in `requirements.ts`; the policy schema, verdicts and `policy check` follow from that. ARCHITECTURE.md, "One record per kind",
 * lists the documentation and generated files to update.
 */
interface Requirement<Fields extends s.FieldSchemas, Wanted, Code extends ErrorCode> {
  /** The name of its step in verdicts. */
  readonly step: CheckName
  /** The codes of its refusals, as the table of requirements in docs/reference/policy.md lists them. */
  readonly codes: readonly Code[]
  /** Its fields under `require`, all of them optional. */
  readonly schema: Fields
  /** @returns undefined if the rule does not require it */
  compile(require: s.ObjectOf<Fields>): Wanted | undefined
  /** @returns undefined if it does not concern this signature */
  check(wanted: Wanted, evidence: Evidence): DemandOutcome<Code> | undefined | Promise<DemandOutcome<Code> | undefined>
  /** Whether a signature of this signer can ever meet it, given the rest of the policy. */
  canMeet(wanted: Wanted, signer: AcceptedSigner, circumstances: Circumstances): boolean
  /** Why a rule with it cannot accept anything, for `policy check`: a clause, with the rule as "it". */
  readonly explain: string
  /** Other risky values of a requirement, with their fields. */
  dangers?(wanted: Wanted): { field: keyof Fields & string; danger: Danger }[]
}

/** A requirement of any kind. */
export type AnyRequirement = Requirement<s.FieldSchemas, unknown, ErrorCode>

/** A requirement, with what one rule demands. */
export interface Demand {
  requirement: AnyRequirement
  wanted: unknown
}

/** A valid signature by an accepted signer, and what is known about it. */
export interface Evidence {
  signature: VerifiedSignature
  /** At least one of these periods must contain the time of signing; empty if there is no limit. */
  validities: readonly Validity[]
  /** Name of the rule. */
  rule: string
  /** Milliseconds since 1970. */
  now: number
  policy: PolicyFacts
  signal: AbortSignal | undefined
}

/** The other parts of a policy and rule that decide whether a requirement can be met. */
interface Circumstances {
  rule: { readonly match: RuleMatch }
  policy: PolicyFacts
}

/** `failure` is undefined if the requirement is met. */
export interface DemandOutcome<Code extends ErrorCode = ErrorCode> {
  /** What was found, as a sentence. */
  passed: string
  failure: Unmet<Code> | undefined
}

export interface Unmet<Code extends ErrorCode = ErrorCode> {
  code: Code
  message: string
  expected: string
  found: string
  /** Undefined for the default, which names the rule. */
  hint?: string | undefined
}

/** Infers the types of a requirement from its parts. */
export function defineRequirement<Fields extends s.FieldSchemas, Wanted, const Code extends ErrorCode>(
  requirement: Requirement<Fields, Wanted, Code>,
): Requirement<Fields, Wanted, Code> {
  return requirement
}
