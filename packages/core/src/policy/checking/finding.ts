import type { ErrorCode } from '../../errors.ts'

/** Problems that a well-formed policy can have. */
export const WARNING_CODES = {
  REQUIREMENT_UNMEETABLE:
    'no signature or attestation can ever meet a requirement of a rule, so the rule accepts nothing',
  SIGNERS_REVOKED:
    'the policy revokes so many signers of a rule, or of an attestation that it requires, that it accepts nothing',
  NAME_AVOIDABLE: 'a later rule applies if the bundle is removed or claims another name',
  RULE_UNREACHABLE: 'an earlier rule matches every model that this one matches',
  RULES_UNCOMPARED: 'the policy has too many rules to check whether each can be reached',
  MODE_SKIP: 'a rule loads models without any check',
  MODE_AUDIT: 'a rule loads models that the check refuses',
  SIGNER_BROAD: 'a signer entry accepts nearly anybody',
  SIGNER_MISSPELT: 'a signer is written in a form that no signature has',
  FORMAT_UNKNOWN: 'a rule matches by a format that no adapter of this project loads',
  PATH_MISSPELT: 'a path is written in a form that matches nothing',
  WILDCARD_EXACT: 'a text contains a wildcard, but is compared exactly',
  CONDITION_MISSPELT: 'a condition about an attestation compares with a value that is never found',
  UNSIGNED_BROAD: 'every file in the model may be unsigned',
  ROOT_UNUSED: 'no rule names this trust root',
  KEY_LAPSES: 'the validity of a key in the policy ends soon or has ended',
  CERTIFICATE_NOT_CA: 'a trusted certificate is not a CA certificate',
  CERTIFICATE_LAPSES: 'a certificate of a trust root expires soon or has expired',
  REVOCATION_UNMATCHED: 'a revoked key, certificate or identity cannot match anything that this policy trusts',
  ADVISORY_SIGNER_SHARED: 'signers of models can sign an advisory feed',
  ADVISORY_NOT_REQUIRED: 'models are loaded even if an advisory feed is too old',
  POLICY_AGE_UNLIMITED: 'revocations could be held back by keeping an old policy in place',
} as const

/** An error in a policy, or a risky setting. */
export interface PolicyFinding {
  /** An error means that the policy or a rule accepts nothing; a warning points out a risk; a note informs. */
  severity: 'error' | 'warning' | 'note'
  code: ErrorCode | keyof typeof WARNING_CODES
  /** What is wrong, without the location. */
  message: string
  /** Absolute path. */
  file: string
  /** From 1. */
  line?: number
  column?: number
}

/** A finding without its location. */
export type Danger = Pick<PolicyFinding, 'severity' | 'code' | 'message'>
