import type { ModelSealError } from '../errors.ts'
import type { FileRead } from '../source/trusted/trusted-file.ts'
import { compileFeeds } from './advisories/followed-feed.ts'
import { compileJournals } from './journals/compile-journals.ts'
import { readPolicySources, type PolicySource } from './reading/include.ts'
import { asPolicy, type CompiledPolicy } from './policy.ts'
import { readRevokedFiles } from './revocations/read-revoked.ts'
import { Revocations } from './revocations/revocations.ts'
import { compileRules } from './rule.ts'
import { TrackedFiles, type CompileOptions } from './reading/reading.ts'
import { readTrustRoots } from './roots/read-roots.ts'

/** A policy and its problems. Loading throws the first problem; `checkPolicy` lists all. */
export interface PolicyReading {
  policy: CompiledPolicy
  sources: readonly PolicySource[]
  problems: readonly ModelSealError[]
  /** The files that were read, by absolute path. */
  read: ReadonlyMap<string, FileRead>
}

/**
 * Reads and compiles a policy as far as possible.
 *
 * @param path absolute
 * @throws {@link ModelSealError} if the policy file itself cannot be read
 */
export async function compilePolicy(path: string, options?: CompileOptions): Promise<PolicyReading> {
  const reading = new TrackedFiles(options)
  const { problems } = reading
  const sources = await readPolicySources(path, reading)
  const revocations = await compileRevocations(sources, reading)
  const roots = await readTrustRoots(sources, revocations, reading)
  const rules = compileRules(sources, roots, problems)
  const advisories = compileFeeds(sources, roots, problems)
  const root = sources.at(-1)
  if (rules.length === 0 && root && problems.length === 0)
    problems.push(root.text.fault([], 'It has no rules, so it accepts nothing.', { expected: '"rules"' }))
  const ages = sources.flatMap(({ file: { issued, maxAge }, text }) =>
    issued !== undefined && maxAge !== undefined ? [{ path: text.path, issued, maxAge }] : [],
  )
  const timestampAuthorities = [...roots.values()].flatMap((root) =>
    root.kind === 'timestampAuthorities' ? root.certificates : [],
  )
  const { files } = reading
  const digests = reading.digests()
  const texts = { file: root?.sha256 ?? '', includes: sources.slice(0, -1).map(({ sha256 }) => sha256) }
  const journals = compileJournals(sources)
  const compiled = { rules, roots, timestampAuthorities, revocations, advisories, ages, texts, journals }
  const policy = asPolicy({ path, ...compiled, files, digests })
  return { policy, sources, problems, read: reading.read }
}

/** The revocations of all files apply. */
async function compileRevocations(sources: readonly PolicySource[], reading: TrackedFiles): Promise<Revocations> {
  const revocations = new Revocations()
  for (const source of sources) {
    const { revoked } = source.file
    if (revoked) revocations.add(revoked, await readRevokedFiles(source, reading))
  }
  return revocations
}
