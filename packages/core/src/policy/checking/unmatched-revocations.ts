import { createHash } from 'node:crypto'
import { shown } from '../../errors.ts'
import type { PolicyReading } from '../compile-policy.ts'
import { plainHex } from '../revocations/fingerprint.ts'
import { rootKind } from '../roots/roots.ts'
import type { PolicySource } from '../reading/include.ts'
import type { Danger } from './finding.ts'
import type { CompiledPolicy } from '../policy.ts'
import { MAX_PROBLEMS } from '../../yaml/read-yaml.ts'
import { usedRoots } from '../rule.ts'
import type { ValuePath } from '../reading/policy-text.ts'

/** A danger, and the location of the revocation in the policy. */
interface PlacedDanger {
  source: PolicySource
  at: ValuePath
  danger: Danger
}

/**
 * Finds revocations of signers that cannot match anything this policy trusts. Usually the digest is that of something else, so
 * nothing is revoked. At most {@link MAX_PROBLEMS} are returned.
 *
 * If a rule names a trust root of certificates or Sigstore, a revoked key or certificate can belong to one of its signers, so
 * nothing is reported. Entries that name a file are not reported either: they revoke what their author meant.
 * Under a rule in the mode `audit` or `skip`, the claims of a bundle can match; the warning then says so.
 */
export function unmatchedRevocations({ policy, sources }: PolicyReading): PlacedDanger[] {
  const dangers: PlacedDanger[] = []
  const named = certificatesOf(policy)
  const closed = named.authorities === 0
  const claimable = policy.rules.some(({ mode }) => mode !== 'enforce')
  for (const source of sources) {
    const { keys = [], certificates = [], identities = [] } = source.file.revoked ?? {}
    const add = (list: string, index: number, message: string | undefined) => {
      if (message === undefined || dangers.length >= MAX_PROBLEMS) return
      dangers.push({
        source,
        at: ['revoked', list, index],
        danger: {
          severity: 'warning',
          code: 'REVOCATION_UNMATCHED',
          message: claimable ? `${message} ${CLAIMS}` : message,
        },
      })
    }
    for (const [index, entry] of keys.entries()) {
      const written = typeof entry === 'string' ? entry : entry.fingerprint
      if (written !== undefined) add('keys', index, keyMessage(written, policy, named.fingerprints, closed))
    }
    for (const [index, entry] of certificates.entries()) {
      const written = typeof entry === 'string' ? entry : (entry.fingerprint ?? entry.serial)
      if (written !== undefined) add('certificates', index, certificateMessage(written, policy, closed))
    }
    if (closed && identities.length > 0) {
      const message =
        'The revoked identities cannot match anything: keys have no names, and no rule of this policy trusts certificates or Sigstore.'
      add('identities', 0, message)
    }
  }
  return dangers
}

const CLAIMS = 'The exception is a rule in the mode "audit" or "skip": there, the claims of a bundle can match.'

function keyMessage(
  written: string,
  { revocations }: CompiledPolicy,
  certificates: ReadonlySet<string>,
  closed: boolean,
): string | undefined {
  const fingerprint = plainHex(written)
  if (certificates.has(fingerprint))
    return `The revoked key ${shown(written)} is the fingerprint of a certificate. Move it to "certificates".`
  if (revocations.knowsKey(fingerprint) || !closed) return undefined
  return `The revoked key ${shown(written)} is not one of the keys that this policy trusts, so it cannot match anything. If you mean one of them, name its file instead: { file: a.pub }.`
}

function certificateMessage(written: string, { revocations }: CompiledPolicy, closed: boolean): string | undefined {
  if (revocations.knowsKey(plainHex(written)))
    return `The revoked certificate ${shown(written)} is the fingerprint of a key. Move it to "keys".`
  if (!closed) return undefined
  return `The revoked certificate ${shown(written)} cannot match anything: no rule of this policy trusts certificates or Sigstore.`
}

/** The number of trust roots in use that certify signers, and the fingerprints of all certificates that the policy names. */
function certificatesOf(policy: CompiledPolicy): { authorities: number; fingerprints: ReadonlySet<string> } {
  const { roots } = policy
  const used = usedRoots(policy)
  const authorities = [...roots].filter(([name, { kind }]) => used.has(name) && rootKind(kind).certifies).length
  const certificates = [...roots.values()].flatMap((root) => rootKind(root.kind).certificates(root))
  const fingerprints = certificates.map((der) => createHash('sha256').update(der).digest('hex'))
  return { authorities, fingerprints: new Set(fingerprints) }
}
