/**
 * Works on trust policies: finds mistakes, checks what a policy is expected to decide, explains verdicts, and drafts a first policy.
 *
 * @example
 * ```ts
 * import { checkPolicy, explain, judgeModel } from '@modelseal/core/policy'
 *
 * for (const { code, line, message } of await checkPolicy('modelseal.policy.yaml')) console.warn(code, line, message)
 * const verdict = await judgeModel('models/vad', { policy: 'modelseal.policy.yaml' })
 * console.log(explain(verdict))
 * ```
 *
 * @packageDocumentation
 */
import { handToThreads } from '../environment.ts'

handToThreads()

export {
  examineHost,
  type DirectoryFacts,
  type HostFacts,
  type IsolationFacts,
} from '../loading/operations/examine-host.ts'
export { testPolicy, type ExpectationResult } from '../loading/operations/judge-expectations.ts'
export { judgeModel, previewVerdict } from '../loading/operations/judge-model.ts'
export { checkPolicy } from '../policy/checking/check.ts'
export { WARNING_CODES, type PolicyFinding } from '../policy/checking/finding.ts'
export { explain } from '../policy/explain.ts'
export { loadPolicy } from '../policy/load-policy.ts'
export { policyDigests, type Policy } from '../policy/policy.ts'
export type { PolicyDigests } from '../policy/reading/reading.ts'
export type { PolicyFile } from '../policy/schema/schema.ts'
export { startingPolicy, type StartingSigner } from '../policy/starting-policy.ts'
export { watchPolicy, type WatchedPolicy, type WatchOptions } from '../policy/watching/watch-policy.ts'
export type {
  AcceptedVerdict,
  AdvisoryVerdict,
  BundleVerdict,
  CheckName,
  CheckVerdict,
  Decision,
  ModelFormat,
  UnverifiedVerdict,
  Verdict,
  VerdictWarning,
} from '../results.ts'
