import { shown } from '../../errors.ts'
import { methodOf } from '../methods/methods.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { Rule } from '../rule.ts'
import type { Danger } from './finding.ts'

/**
 * Warns about a rule that accepts nothing because the policy revokes its signers. It may be intended, for example after a key
 * was stolen, so it is not an error.
 */
export function revokedSigners(rule: Rule, policy: CompiledPolicy): Danger[] {
  // A rule in the mode skip names no signers.
  if (rule.signers.length < rule.threshold) return []
  const revoked = rule.signers.filter((signer) => methodOf(signer.method).isRevoked(signer, policy))
  const left = rule.signers.length - revoked.length
  if (left >= rule.threshold) return []
  const names = [...new Set(revoked.map(({ root }) => shown(root)))].slice(0, LISTED).join(', ')
  const message = `The rule ${shown(rule.name)} accepts nothing: the policy revokes ${countOf(rule, revoked.length)} (under ${names}). Add a signer that is not revoked, or remove the rule.`
  return [{ severity: 'warning', code: 'SIGNERS_REVOKED', message }]
}

/** A longer list would bury the message. */
const LISTED = 5

function countOf({ signers: { length }, threshold }: Rule, revoked: number): string {
  if (revoked === length) return length === 1 ? 'its only signer' : `all of its ${length} signers`
  return `${revoked} of its ${length} signers, and the rule needs ${threshold}`
}
