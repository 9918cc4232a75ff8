import { createHash } from 'node:crypto'
import { shown } from '../../errors.ts'
import type { PolicyReading } from '../compile-policy.ts'
import { plainHex } from '../revocations/fingerprint.ts'
import { rootKind } from '../roots/roots.ts'
import type { PolicySource } from '../reading/include.ts'
import type { Danger } from './finding.ts'
import type { CompiledPolicy } from '../policy.ts'
import { MAX_PROBLEMS } from '../reading/read-yaml.ts'
import type { ValuePath } from '../reading/policy-text.ts'

/** A danger, and the place of the revocation in the policy. */
export interface PlacedDanger {
  source: PolicySource
  at: ValuePath
  danger: Danger
}

/**
 * Finds revocations of signers that can match nothing that this policy knows. Usually the digest is one of something else, so
 * that nothing is revoked. At most {@link MAX_PROBLEMS} are returned.
 *
 * A key or certificate that the policy does not name can still belong to a signer under a trust root of certificates or
 * Sigstore that a rule names; nothing is reported then. Nor are entries that name a file, since they revoke what their author meant.
 * Under a rule in the mode `audit` or `skip` a bundle can claim them; the warning then says so.
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
        'These identities can match nothing: a key has no name, and no rule of this policy trusts certificates or Sigstore.'
      add('identities', 0, message)
    }
  }
  return dangers
}

const CLAIMS = 'A rule in the mode audit or skip is an exception: there, what a bundle claims can match.'

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
  return `The revoked key ${shown(written)} is not one of the keys that this policy trusts, so it can match nothing. If you mean one of them, name its file instead: { file: a.pub }.`
}

function certificateMessage(written: string, { revocations }: CompiledPolicy, closed: boolean): string | undefined {
  if (revocations.knowsKey(plainHex(written)))
    return `The revoked certificate ${shown(written)} is the fingerprint of a key. Move it to "keys".`
  if (!closed) return undefined
  return `The revoked certificate ${shown(written)} can match nothing: no rule of this policy trusts certificates or Sigstore.`
}

/** How many trust roots vouch for signers of rules by certificates, and the fingerprints of those that the policy names. */
function certificatesOf({ roots, rules }: CompiledPolicy): { authorities: number; fingerprints: ReadonlySet<string> } {
  const used = new Set(rules.flatMap(({ signers }) => signers.map(({ root }) => root)))
  const authorities = [...roots].filter(([name, { kind }]) => used.has(name) && rootKind(kind).vouches).length
  const certificates = [...roots.values()].flatMap((root) => rootKind(root.kind).certificates(root))
  const fingerprints = certificates.map((der) => createHash('sha256').update(der).digest('hex'))
  return { authorities, fingerprints: new Set(fingerprints) }
}
