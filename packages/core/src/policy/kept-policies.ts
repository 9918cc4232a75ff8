import type { FileRead } from '../source/trusted/trusted-file.ts'
import type { PolicyReading } from './compile-policy.ts'
import type { CompiledPolicy } from './policy.ts'
import { policyFileState } from './reading/policy-file.ts'

/** Maximum number of kept policies. */
const MAX_POLICIES = 16
/** Maximum total size of their files. A compiled policy takes about ten times as much memory. */
const MAX_BYTES = 4 * 1024 * 1024

interface Kept {
  policy: CompiledPolicy
  states: readonly { path: string; state: string }[]
  bytes: number
}

/**
 * Compiled policies by the absolute path of the policy file, least recently used first. No code outside of the loads
 * gets hold of them, so nothing can change them.
 */
const kept = new Map<string, Kept>()

/**
 * The policy as it was compiled for an earlier load of this process, if reading it again would give the same: on every
 * path, the same directories and links lead to the same files in the same state. Who owns them, and who can write to
 * them, is checked again for each load.
 */
export function keptPolicy(path: string): CompiledPolicy | undefined {
  const known = kept.get(path)
  if (!known) return undefined
  kept.delete(path)
  if (!known.states.every((file) => policyFileState(file.path) === file.state)) return undefined
  kept.set(path, known)
  return known.policy
}

/**
 * Keeps a policy for {@link keptPolicy}, unless it has a problem, a later change to one of its files might not show, or
 * it depends on anything besides its files.
 */
export function keepPolicy({ policy, problems, read }: PolicyReading): void {
  const files = [...read]
  const states = files.flatMap(([path, { state }]) => (state === undefined ? [] : [{ path, state }]))
  const bytes = files.reduce((sum, [, file]) => sum + file.bytes, 0)
  if (problems.length > 0 || states.length < read.size || !dependsOnlyOn(read, policy) || bytes > MAX_BYTES) return
  kept.delete(policy.path)
  kept.set(policy.path, { policy, states, bytes })
  for (const [path] of kept) {
    if (kept.size <= MAX_POLICIES && totalBytes() <= MAX_BYTES) break
    kept.delete(path)
  }
}

/** False if it uses a trusted root in the user's cache, or one that is not there yet. The environment says where the cache is. */
function dependsOnlyOn(read: ReadonlyMap<string, FileRead>, { files, roots }: CompiledPolicy): boolean {
  const cached = [...roots.values()].some((root) => root.kind === 'sigstore' && !root.isFile)
  return !cached && [...files.keys()].every((path) => read.has(path))
}

function totalBytes(): number {
  return [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0)
}
