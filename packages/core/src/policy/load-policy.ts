import type { PolicyReading } from './compile-policy.ts'
import { findPolicy } from './find-policy.ts'
import type { CompiledPolicy, Policy } from './policy.ts'

/**
 * Reads and compiles a trust policy with all the files that it names.
 *
 * @param given path of the file; without one it is looked for, see {@link findPolicy}
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED` where another user could have
 * written it or what it names, `POLICY_INVALID` with line and column; under their own codes what is wrong with files that it names: `FILE_NOT_FOUND`, `FILE_UNREADABLE`,
 * `FILE_SPECIAL`, `FILE_TOO_LARGE`, `KEY_INVALID`, `CERTIFICATE_INVALID`
 * @example
 * ```ts
 * const policy = await loadPolicy('trust-policy.yaml')
 * const vad = await openVerifiedModel('models/vad', { policy })
 * ```
 */
export function loadPolicy(given?: string | URL): Promise<Policy> {
  return loadValidPolicy(given)
}

/** As {@link loadPolicy}, for whoever judges by it. */
export async function loadValidPolicy(given?: string | URL): Promise<CompiledPolicy> {
  const { policy, problems } = await loadCompiledPolicy(await findPolicy(given))
  if (problems[0]) throw problems[0]
  return policy
}

/**
 * Reads and compiles a policy as far as that goes. What that takes is loaded with the first
 * policy: the parser of YAML and the schema are larger than all else.
 *
 * @param path absolute
 * @throws {@link ModelSealError} what reading the file itself throws
 */
export async function loadCompiledPolicy(path: string): Promise<PolicyReading> {
  const { compilePolicy } = await import('./compile-policy.ts')
  return compilePolicy(path)
}
