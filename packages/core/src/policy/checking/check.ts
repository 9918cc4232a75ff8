import { findPolicy } from '../find-policy.ts'
import { loadCompiledPolicy } from '../load-policy.ts'
import type { PolicyFinding } from './finding.ts'

/**
 * Finds errors and risky settings in a policy.
 *
 * @param given path of the policy file; by default, the file is searched for
 * @returns findings in the order of files and lines, except that a file's misspelt fields come first; empty if there are none
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`, `FILE_UNREADABLE` if there is no policy to check
 * @example
 * ```ts
 * const errors = (await checkPolicy('trust-policy.yaml')).filter(({ severity }) => severity === 'error')
 * ```
 */
export async function checkPolicy(given?: string | URL): Promise<PolicyFinding[]> {
  const compiled = await loadCompiledPolicy(await findPolicy(given))
  // Imported lazily because it loads the schema library.
  const { policyFindings } = await import('./findings.ts')
  return policyFindings(compiled)
}
