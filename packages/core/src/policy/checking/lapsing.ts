import { X509Certificate } from 'node:crypto'
import { shown } from '../../errors.ts'
import type { Danger } from './finding.ts'
import type { CompiledRoot } from '../reading/trust-roots.ts'

/** Long enough to order, sign and roll out a new one. */
const NOTICE = 30 * 24 * 3_600_000

/** Keys whose window ends. A signer whose other keys go on is no danger. */
export function keyDangers({ name, keys }: Extract<CompiledRoot, { kind: 'publicKey' }>, now: number): Danger[] {
  const last = Math.max(...keys.map(({ notAfter }) => notAfter))
  return lapse('KEY_LAPSES', `The trust root ${shown(name)} has no valid key`, last, now)
}

/** Certificates that the policy itself names. */
export function certificateDangers(root: CompiledRoot, now: number): Danger[] {
  const named =
    root.kind === 'certificates'
      ? [...root.trusted.roots, ...root.trusted.intermediates]
      : root.kind === 'timestampAuthorities'
        ? root.certificates
        : []
  return named.flatMap((der) => {
    const { subject, validToDate } = new X509Certificate(der)
    const who = `The certificate ${shown(subject.replaceAll('\n', ', '))} of the trust root ${shown(root.name)} is not valid`
    return lapse('CERTIFICATE_LAPSES', who, validToDate.getTime(), now)
  })
}

/** A trusted certificate that cannot issue others, and so vouches for nothing but itself. */
export function authorityDangers(root: CompiledRoot): Danger[] {
  if (root.kind !== 'certificates') return []
  return [...root.trusted.roots, ...root.trusted.intermediates].flatMap((der) => {
    const { ca, subject } = new X509Certificate(der)
    if (ca) return []
    const message = `The certificate ${shown(subject.replaceAll('\n', ', '))} of the trust root ${shown(root.name)} is not the certificate of an authority, so no signer's certificate can lead to it. Name the certificate of the authority that issued them.`
    return [{ severity: 'warning', code: 'CERTIFICATE_NOT_CA', message }]
  })
}

function lapse(code: Danger['code'], what: string, end: number, now: number): Danger[] {
  if (end > now + NOTICE) return []
  return [{ severity: 'warning', code, message: `${what} from ${new Date(end).toISOString()} on.` }]
}
