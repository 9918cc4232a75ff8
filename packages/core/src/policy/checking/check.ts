import { findPolicy } from '../find-policy.ts'
import { loadCompiledPolicy } from '../load-policy.ts'
import type { PolicyFinding } from './finding.ts'

/**
 * Finds errors and dangers of a policy.
 *
 * @param given path of the file; without one it is looked for
 * @returns findings in the order of files and lines, but misspelt fields before what else a file has wrong; none for a policy
 * without fault
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`, `FILE_UNREADABLE`, where there is nothing to check
 * @example
 * ```ts
 * const errors = (await checkPolicy('trust-policy.yaml')).filter(({ severity }) => severity === 'error')
 * ```
 */
export async function checkPolicy(given?: string | URL): Promise<PolicyFinding[]> {
  const compiled = await loadCompiledPolicy(await findPolicy(given))
  // Imported where it is needed, since it brings the library of schemas along.
  const { policyFindings } = await import('./findings.ts')
  return policyFindings(compiled)
}
