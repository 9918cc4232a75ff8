import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { readAttestationInput } from '../input.ts'
import { defineKind, readBy } from './kind.ts'
import {
  boundedList,
  boundedName,
  boundedRecord,
  boundedUri,
  digestsOf,
  resourceSchema,
  unique,
  type ResourceDescriptor,
} from './values.ts'

/** SLSA Verification Summary v1 (https://slsa.dev/spec/v1.1/verification_summary). Unknown fields are ignored, as it prescribes. */

const summarySchema = s.openObject({
  verifier: s.openObject({ id: boundedUri, version: boundedRecord(boundedName).optional() }),
  timeVerified: timeSchema.optional(),
  resourceUri: boundedUri,
  policy: resourceSchema,
  inputAttestations: boundedList(resourceSchema).optional(),
  verificationResult: s.oneOf(['PASSED', 'FAILED']),
  verifiedLevels: boundedList(boundedName),
  dependencyLevels: boundedRecord(s.int().min(0)).optional(),
  slsaVersion: boundedName.optional(),
})

/** What a verifier says about a model that it verified. */
export interface VerificationSummary {
  /** `id` is the URI of the verifier. Believe a summary only if its signer is allowed to speak for the verifier. */
  verifier: { id: string; version?: Readonly<Record<string, string>> }
  /** RFC 3339. */
  timeVerified?: string
  /** Where the model was loaded from. */
  resourceUri: string
  policy: ResourceDescriptor
  inputAttestations?: readonly ResourceDescriptor[]
  verificationResult: 'PASSED' | 'FAILED'
  /** Such as `SLSA_BUILD_LEVEL_3`; may be empty. */
  verifiedLevels: readonly string[]
  dependencyLevels?: Readonly<Record<string, number>>
  /** Such as `1.1`. */
  slsaVersion?: string
}

export const verificationSummary = defineKind<VerificationSummary>({
  name: 'verification-summary',
  what: 'a verification summary',
  types: ['https://slsa.dev/verification_summary/v1'],
  read: (predicate, fault) => readBy(summarySchema, predicate, fault),
  make: ({ bytes, file }) => readAttestationInput(bytes, file) as object,
  statedAt: ({ timeVerified }) => timeVerified,
  fields: {
    verifier: ({ verifier }) => [verifier.id],
    result: ({ verificationResult }) => [verificationResult],
    resource: ({ resourceUri }) => [resourceUri],
    policy: ({ policy: { uri, digest = {} } }) => [...unique([uri]), ...digestsOf([digest['sha256']])],
    // The `sha256` is that of the policy file, which whoever fetches it by its URI can compare. This one covers all of its files.
    'policy-files': ({ policy: { digest = {} } }) => digestsOf([digest['policyFiles']]),
    level: ({ verifiedLevels }) => unique(verifiedLevels),
  },
  hasFailed: ({ verificationResult }) => verificationResult === 'FAILED',
})

/** What a summary of a verdict is made from. */
export interface SummaryInput {
  /** URI of the verifier. */
  verifier: string
  /** When the model was verified. Default: now. */
  timeVerified?: Date
  /** Where the model was loaded from. */
  resourceUri: string
  /**
   * `sha256` of the policy file, and as `policyFiles` that of everything that was read for the policy (`policyDigests()` of
   * `@modelseal/core/policy`); 64 lowercase hex digits.
   */
  policy: { uri: string; sha256: string; policyFiles?: string }
  /** Digests of the bundles that were verified. */
  inputAttestations?: readonly { uri: string; sha256: string }[]
  isAccepted: boolean
  /** SLSA levels that were verified. Default: none. */
  verifiedLevels?: readonly string[]
}

/**
 * Makes the predicate of a verification summary from a verdict.
 *
 * @example
 * ```ts
 * makeVerificationSummary({
 *   verifier: 'https://models.example/verifier',
 *   resourceUri: 'hf://org/vad@0123456789abcdef0123456789abcdef01234567',
 *   policy: { uri: 'trust-policy.yaml', sha256: 'c0ffee…' },
 *   isAccepted: true,
 * })
 * ```
 */
export function makeVerificationSummary(input: SummaryInput): VerificationSummary {
  const { verifier, timeVerified = new Date(), resourceUri, policy, inputAttestations, isAccepted } = input
  const descriptor = ({ uri, ...digest }: SummaryInput['policy']) => ({ uri, digest })
  return {
    verifier: { id: verifier },
    timeVerified: timeVerified.toISOString(),
    resourceUri,
    policy: descriptor(policy),
    ...(inputAttestations && { inputAttestations: inputAttestations.map(descriptor) }),
    verificationResult: isAccepted ? 'PASSED' : 'FAILED',
    verifiedLevels: input.verifiedLevels ?? [],
  }
}
