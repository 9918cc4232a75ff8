import { compileMatch } from '../policy/matching/match.ts'
import { compileText } from '../policy/matching/text-pattern.ts'
import type { AcceptedSigner } from '../policy/methods/methods.ts'
import { asPolicy, type CompiledPolicy } from '../policy/policy.ts'
import { Revocations } from '../policy/revocations/revocations.ts'
import type { Rule } from '../policy/rule.ts'
import type { MatchText } from '../policy/schema/match.ts'

/** A compiled rule of the policy `/p.yaml` that requires nothing. */
export function ruleOf(match: MatchText, { file = '/p.yaml', ...more }: Partial<Rule> = {}): Rule {
  return {
    name: 'r',
    mode: 'enforce',
    match: compileMatch(match, file.replace(/\/[^/]*$/, '') || '/'),
    file,
    signers: [],
    threshold: 1,
    demands: [],
    attestations: [],
    require: { files: 'all' },
    ...more,
  }
}

/** The policy `/p.yaml`, with nothing but these rules. */
export function policyOf(rules: readonly Rule[], more: Partial<CompiledPolicy> = {}): CompiledPolicy {
  return asPolicy({
    path: '/p.yaml',
    rules,
    roots: new Map(),
    timestampAuthorities: [],
    revocations: new Revocations(),
    advisories: [],
    ages: [],
    texts: { file: '', includes: [] },
    journals: [],
    files: new Map(),
    digests: undefined,
    ...more,
  })
}

/** Entries of a list of signers, one of each method, that accept everybody under the trust root of this name. */
export const ANY_SIGNER = {
  key: { method: 'key', root: 'key', keys: [] },
  certificate: { method: 'certificate', root: 'certificate', subject: undefined, san: undefined, issuer: undefined },
  sigstore: {
    method: 'sigstore',
    root: 'sigstore',
    issuer: compileText({ pattern: '**' }),
    identity: compileText({ pattern: '**' }),
    extensions: {},
  },
} as const satisfies Record<string, AcceptedSigner>
