import { dirname, resolve } from 'node:path'
import { path, signal } from '../../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../../snapshot.ts'
import type { Expectation } from '../../policy/expectations.ts'
import { findPolicy } from '../../policy/find-policy.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { Position } from '../../policy/reading/invalid-policy.ts'
import type { Verdict } from '../../results.ts'
import { previewVerdict } from './judge-model.ts'

interface TestOptions {
  policy?: string | URL | undefined
  expectations?: string | undefined
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<TestOptions> = { policy: path, expectations: path, signal }

/** The outcome of one expectation. */
export interface ExpectationResult extends Expectation {
  passed: boolean
  /** Position of the expectation in its file. */
  position: Position | undefined
  verdict: Verdict
}

/**
 * Runs the expectations beside a policy, to test the policy before it is rolled out. No journal records it. Models on hubs and in registries are
 * fetched, which needs `import '@modelseal/hub'`.
 *
 * @param options `policy`: its path (default: the policy that the search finds); `expectations`: path of their file
 * (default: `NAME.test.yaml` beside the policy `NAME.yaml`)
 * @throws {@link ModelSealError} like `loadPolicy`; `FILE_NOT_FOUND`, `POLICY_INVALID` for the expectations;
 * `SCHEME_UNKNOWN` for the URL of a model that no imported package provides; `ABORTED`
 * @example
 * ```ts
 * const failed = (await testPolicy({ policy: 'trust-policy.yaml' })).filter(({ passed }) => !passed)
 * ```
 */
export async function testPolicy(given: TestOptions): Promise<ExpectationResult[]> {
  const options = snapshot(given, OPTIONS, 'testPolicy')
  const policy = await loadPolicy(await findPolicy(options.policy))
  const { expectationsBeside, isElsewhere, readExpectations } = await import('../../policy/expectations.ts')
  const file = options.expectations ?? expectationsBeside(policy.path)
  const { expectations } = await readExpectations(file)
  const results: ExpectationResult[] = []
  for (const read of expectations) {
    const expectation = withoutPrototype(read)
    const { model, format, url } = expectation
    const place = isElsewhere(model) ? model : resolve(dirname(file), model)
    const verdict = await previewVerdict(place, { policy, format, url, signal: options.signal })
    results.push({ ...expectation, passed: meets(verdict, expectation), verdict })
  }
  return results
}

function meets(verdict: Verdict, { expect, because, rule }: Expectation): boolean {
  const reason = (verdict.error ?? verdict.wouldRefuse)?.code
  return (
    verdict.decision === expect &&
    (because === undefined || because === reason) &&
    (rule === undefined || rule === verdict.rule)
  )
}
