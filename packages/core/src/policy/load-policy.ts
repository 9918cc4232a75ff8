import type { PolicyReading } from './compile-policy.ts'
import { findPolicy } from './find-policy.ts'
import { keepPolicy, keptPolicy } from './kept-policies.ts'
import type { CompiledPolicy, Policy } from './policy.ts'
import type { CompileOptions } from './reading/reading.ts'

/**
 * Reads and compiles a trust policy with all the files that it names.
 *
 * @param given path of the policy file; by default, it is searched for as {@link findPolicy} describes
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`; `POLICY_UNTRUSTED` if another user could have
 * written it or a file that it names; `POLICY_INVALID` with line and column; for the files that it names, `FILE_NOT_FOUND`,
 * `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`, `KEY_INVALID`, `CERTIFICATE_INVALID`
 * @example
 * ```ts
 * const policy = await loadPolicy('trust-policy.yaml')
 * const vad = await openVerifiedModel('models/vad', { policy })
 * ```
 */
export function loadPolicy(given?: string | URL): Promise<Policy> {
  return loadValidPolicy(given)
}

/** Like {@link loadPolicy}, but with the compiled type, for the code that judges by it. */
export async function loadValidPolicy(given?: string | URL): Promise<CompiledPolicy> {
  const { policy, problems } = await loadCompiledPolicy(await findPolicy(given))
  if (problems[0]) throw problems[0]
  return policy
}

/**
 * The valid policy for one load: like {@link loadValidPolicy}, but it is only read again if one of its files changed, and
 * a fault in a certificate or in the trusted root of Sigstore only refuses bundles that need them.
 * The caller must not hand it out.
 */
export async function policyForLoad(given?: string | URL): Promise<CompiledPolicy> {
  const path = await findPolicy(given)
  // Another load may be reading it. What that load read is checked below, since it may have changed in the meantime.
  const other = underWay.get(path)
  if (other) await other
  return keptPolicy(path) ?? (await readAndKept(path))
}

/** Policies that loads are reading, by path. They never reject. */
const underWay = new Map<string, Promise<unknown>>()

async function readAndKept(path: string): Promise<CompiledPolicy> {
  const reading = loadCompiledPolicy(path, { forOneLoad: true })
  const ended = reading.then(keepPolicy, () => {})
  underWay.set(path, ended)
  await ended
  if (underWay.get(path) === ended) underWay.delete(path)
  const { policy, problems } = await reading
  if (problems[0]) throw problems[0]
  return policy
}

/**
 * Reads and compiles a policy as far as possible. The compiler is imported with the first policy: the YAML parser and the
 * schema are larger than everything else.
 *
 * @param path absolute
 * @throws {@link ModelSealError} if the policy file itself cannot be read
 */
export async function loadCompiledPolicy(path: string, options?: CompileOptions): Promise<PolicyReading> {
  const { compilePolicy } = await import('./compile-policy.ts')
  return compilePolicy(path, options)
}
