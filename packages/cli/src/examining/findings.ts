import { isolationFindings, placeFindings, policyFindings } from './host.ts'
import { nodeFinding, optionalModules } from './installation.ts'
import { clockAndTrustRoot } from './trust.ts'
import { proxies, tokens } from './variables.ts'

/** One thing that was examined. */
export interface Finding {
  /** `advice`: it works, but could be better. */
  status: 'ok' | 'advice' | 'problem'
  subject: string
  /** What was found, as a phrase or sentence. */
  found: string
  /** What to do about it; only if it is not `ok`. */
  action?: string
}

/** Examines this machine for loads by this policy, or by the one that a load would find. */
export async function examine(policy: string | undefined): Promise<Finding[]> {
  const { examineHost } = await import('@modelseal/core/policy')
  const facts = await examineHost({ policy })
  return [
    nodeFinding(),
    ...optionalModules(),
    ...(await policyFindings(facts)),
    ...(await clockAndTrustRoot()),
    ...(await placeFindings(facts)),
    ...isolationFindings(facts),
    ...proxies(process.env),
    ...tokens(process.env),
  ]
}
