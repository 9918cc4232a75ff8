import { keyFingerprints } from '../../x509/public-key.ts'
import { shown } from '../../errors.ts'
import type { AcceptedSigner } from '../accepted-signer.ts'
import type { Danger } from './finding.ts'
import type { Policy } from '../policy.ts'
import type { Rule } from '../rule.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'
import type { CompiledRoot } from '../reading/trust-roots.ts'

/**
 * Warns of a rule that accepts nothing because the policy revokes its signers. That may be meant, as after a key was stolen,
 * so it is no error.
 */
export function revokedSigners(rule: Rule, policy: Policy): Danger[] {
  if (rule.mode === 'skip' || rule.signers.length < rule.threshold) return []
  const revoked = rule.signers.filter((signer) => isRevoked(signer, policy))
  const left = rule.signers.length - revoked.length
  if (left >= rule.threshold) return []
  const names = [...new Set(revoked.map(({ root }) => shown(root)))].slice(0, LISTED).join(', ')
  const message = `The rule ${shown(rule.name)} accepts nothing: the policy revokes ${countOf(rule, revoked.length)} (under ${names}). Add a signer that is not revoked, or remove the rule.`
  return [{ severity: 'warning', code: 'SIGNERS_REVOKED', message }]
}

/** More names would hide the sentence that they stand in. */
const LISTED = 5

function countOf({ signers: { length }, threshold }: Rule, revoked: number): string {
  if (revoked === length) return length === 1 ? 'its only signer' : `all of its ${length} signers`
  return `${revoked} of its ${length} signers, and it needs ${threshold}`
}

/** The most that a certificate and a timestamp can prove: that a signature is outside of every window. */
const WELL_DATED: SignatureBounds = { earliest: Number.MAX_VALUE, latest: -Number.MAX_VALUE }

/** True where no signature of this signer can be accepted, whenever it was made. */
function isRevoked(signer: AcceptedSigner, { revocations, roots, timestampAuthorities }: Policy): boolean {
  if (signer.method === 'key') {
    // A timestamp proves that a signature is no younger. Nothing proves that one by a key is no older.
    const when = timestampAuthorities.length > 0 ? { ...WELL_DATED, earliest: -Infinity } : ANY_TIME
    return signer.keys.every(({ publicKey: { key } }) => revocations.key(keyFingerprints(key), when) !== undefined)
  }
  if (hasNoRoot(roots.get(signer.root))) return true
  const names = signer.method === 'sigstore' ? [signer.identity] : [signer.subject, signer.san]
  const written = names.flatMap((name) => name?.exact ?? [])
  const subject = signer.method === 'certificate' ? (signer.subject?.exact ?? '') : ''
  const exact = [...written, ...namesIn(subject)].flatMap(withKinds)
  const issuers = signer.issuer?.exact === undefined ? [] : [signer.issuer.exact]
  return revocations.identity({ names: exact, issuers }, WELL_DATED) !== undefined
}

function hasNoRoot(root: CompiledRoot | undefined): boolean {
  return root?.kind === 'certificates' && root.trusted.roots.length === 0 && root.revoked.roots.length > 0
}

/** The names in a subject by which it can be revoked, too. */
function namesIn(subject: string): string[] {
  const attributes = subject.matchAll(/(?:^|(?<!\\)[,+])(?:CN|UID|E|emailAddress)=((?:\\.|[^,+\\])+)/gi)
  return Array.from(attributes, ([, value = '']) => value.replace(/\\(.)/g, '$1'))
}

/** A certificate has an identity with its kind, and a revocation by a pattern may name that. */
function withKinds(name: string): string[] {
  if (/^[A-Za-z]+:\/\//.test(name)) return [name, `URI:${name}`]
  return /^[^:=@\s]+@[^@\s]+$/.test(name) ? [name, `email:${name}`] : [name]
}
