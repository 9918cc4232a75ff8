import { originOf } from '../trust-root-age.ts'
import type { Finding } from './findings.ts'
import { thrown } from './host.ts'

/** A root that is older may lack keys that the instance uses by now. */
const OLD_MS = 365 * 86_400_000

/** The Sigstore trusted root, and the clock: it cannot be before the time at which the root was made. */
export async function clockAndTrustRoot(now = Date.now()): Promise<Finding[]> {
  const { loadSigstoreTrust } = await import('@modelseal/core/verification')
  const { shown } = await import('@modelseal/core/errors')
  try {
    const { info } = await loadSigstoreTrust('public-good')
    return [clock(now, Date.parse(info.newest)), age(info, originOf(info, shown, now), now)]
  } catch (error) {
    return [clock(now, 0), await thrown('trust root', error)]
  }
}

function clock(now: number, earliest: number): Finding {
  const found = new Date(now).toISOString()
  if (now >= earliest) return { status: 'ok', subject: 'clock', found: `${found} (UTC)` }
  return {
    status: 'problem',
    subject: 'clock',
    found: `${found} (UTC), before the trusted root of this program was made`,
    action: 'Set the clock: certificates, feeds and policies are judged by it.',
  }
}

function age({ newest, expires }: { newest: string; expires?: string }, origin: string, now: number): Finding {
  const isOld = expires === undefined ? now - Date.parse(newest) > OLD_MS : Date.parse(expires) <= now
  if (!isOld) return { status: 'ok', subject: 'trust root', found: origin }
  const action = 'If models are signed keyless, run "modelseal trust-root update".'
  return { status: 'advice', subject: 'trust root', found: origin, action }
}
