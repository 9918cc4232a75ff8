import type { ErrorCode } from '../../errors.ts'

/** Dangers of a policy that is well formed. */
export const WARNING_CODES = {
  REQUIREMENT_UNMEETABLE: 'a rule requires what too few of its signers can ever have: it accepts nothing',
  SIGNERS_REVOKED: 'the policy revokes so many signers of a rule that it accepts nothing',
  NAME_AVOIDABLE: 'whoever takes the bundle away, or signs under another name, has a later rule decide',
  RULE_UNREACHABLE: 'an earlier rule matches whatever this one matches',
  RULES_UNCOMPARED: 'there are too many rules to check whether each can be reached',
  MODE_SKIP: 'a rule loads models without any check',
  MODE_AUDIT: 'a rule loads models that the check refuses',
  SIGNER_BROAD: 'a signer is anybody, or nearly',
  SIGNER_MISSPELT: 'a signer is written in a form that no signature has',
  FORMAT_UNKNOWN: 'a rule matches by a format that no adapter of this project loads',
  PATH_MISSPELT: 'a path is written in a form that matches nothing',
  WILDCARD_EXACT: 'a text contains a wildcard, but is compared exactly',
  UNSIGNED_BROAD: 'every file in the model may be unsigned',
  ROOT_UNUSED: 'no rule names this trust root',
  KEY_LAPSES: 'a key is about to lapse by the policy, or has',
  CERTIFICATE_NOT_CA: 'a trusted certificate is not the certificate of an authority',
  CERTIFICATE_LAPSES: 'a certificate of a trust root is about to expire, or has',
  REVOCATION_UNMATCHED: 'a revocation of a key, certificate or identity can match nothing that this policy knows',
  POLICY_AGE_UNLIMITED: 'revocations could be held back by keeping an old policy in place',
} as const

/** Something that is wrong with a policy, or dangerous about it. */
export interface PolicyFinding {
  /** An error accepts nothing; a warning is a danger; a note is a thing to know. */
  severity: 'error' | 'warning' | 'note'
  code: ErrorCode | keyof typeof WARNING_CODES
  /** A sentence, without the place. */
  message: string
  /** Absolute path. */
  file: string
  /** From 1. */
  line?: number
  column?: number
}

/** A finding before its place is known. */
export type Danger = Pick<PolicyFinding, 'severity' | 'code' | 'message'>
