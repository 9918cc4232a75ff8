import type { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { Danger } from '../checking/finding.ts'
import type { RuleMatch } from '../matching/match.ts'
import type { AcceptedSigner } from '../methods/methods.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import type { Validity } from '../signature-time.ts'
import type { CheckName } from '../../results.ts'

/**
 * One requirement of signatures: everything that the policy knows about it. A new one is a file like those beside this one, its
 * test, and a line in `requirements.ts`; the schema of policies, verdicts and `policy check` follow from that.
 */
export interface Requirement<Fields extends z.ZodRawShape, Wanted, Code extends ErrorCode> {
  /** The name of its step in verdicts. */
  readonly step: CheckName
  /** The codes of its refusals, as the table of requirements in docs/policy.md lists them. */
  readonly codes: readonly Code[]
  /** Its fields under `require`, all of them optional. */
  readonly schema: Fields
  /** @returns undefined if the rule does not ask for it */
  compile(require: z.infer<z.ZodObject<Fields>>): Wanted | undefined
  /** @returns undefined if it does not concern this signature */
  check(wanted: Wanted, evidence: Evidence): Outcome<Code> | undefined | Promise<Outcome<Code> | undefined>
  /** Whether a signature of this signer can ever meet it, given what else the policy says. */
  canMeet(wanted: Wanted, signer: AcceptedSigner, circumstances: Circumstances): boolean
  /** Why no signer can meet it, for `policy check`: follows "for what it requires of". */
  readonly explain: string
  /** Further dangers of what a rule asks for, by the field that has them. */
  dangers?(wanted: Wanted): { field: keyof Fields & string; danger: Danger }[]
}

/** A requirement of any kind. */
export type AnyRequirement = Requirement<z.ZodRawShape, unknown, ErrorCode>

/** A requirement together with what one rule asks for. */
export interface Demand {
  requirement: AnyRequirement
  wanted: unknown
}

/** A valid signature by an accepted signer, and what is known of it. */
export interface Evidence {
  signature: VerifiedSignature
  /** When the accepted signer counts, one of these at least; empty if it always does. */
  validities: readonly Validity[]
  /** Name of the rule. */
  rule: string
  /** Milliseconds since 1970. */
  now: number
  policy: PolicyFacts
  signal: AbortSignal | undefined
}

/** What else of a policy and rule decides whether a requirement can be met. */
export interface Circumstances {
  rule: { readonly match: RuleMatch }
  policy: PolicyFacts
}

/** Both are sentences for people; `failure` is undefined where the requirement is met. */
export interface Outcome<Code extends ErrorCode = ErrorCode> {
  /** What was asked for and found. */
  passed: string
  failure: Unmet<Code> | undefined
}

export interface Unmet<Code extends ErrorCode = ErrorCode> {
  code: Code
  message: string
  expected: string
  found: string
  /** Undefined for the usual one, which names the rule. */
  hint?: string | undefined
}

/** Infers the types of a requirement from its parts. */
export function defineRequirement<Fields extends z.ZodRawShape, Wanted, const Code extends ErrorCode>(
  requirement: Requirement<Fields, Wanted, Code>,
): Requirement<Fields, Wanted, Code> {
  return requirement
}
