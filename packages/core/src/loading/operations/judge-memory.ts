import { publishVerdict, traceLoad, type LoadTrace } from '../../events.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { ALGORITHMS, type HashType } from '../../hashing/algorithms.ts'
import { checkedBytes } from '../../kinds.ts'
import type { ModelFormat, Verdict } from '../../results.ts'
import { ruleForMemory } from '../../policy/matching/memory-rule.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { isWatchedPolicy } from '../../policy/watching/watch-policy.ts'
import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import { turnOfLoop } from '../../real-time.ts'
import { openOptions, type OpenOptions } from '../open-options.ts'
import { adviceFor } from '../judging/advice.ts'
import { versionOf } from '../judging/judged-by.ts'
import { checkAge, policyOf } from '../judging/read-policy.ts'
import { hashTypesOf } from '../files/revoked-files.ts'
import { noteJournals, recordRefusals, recordUnopened } from '../recording/record-verdict.ts'
import { holdsInAudit } from '../judging/holds-in-audit.ts'
import { checking, emptyVerdict, refused, timed } from '../judging/verdict-steps.ts'
import { JudgedMemory, type KnownBytes } from './judged-memory.ts'

/**
 * Judges a model that a program hands to a runtime from memory. No signature can be found for it, so it is refused
 * unless a rule of the policy matches it by `match: { memory: … }`. The verdict is published like that of any load,
 * with `memory:` and the digest as `model.path`.
 *
 * @param bytes the model, which must not change until the runtime has it; undefined for an object that is not a
 * sequence of bytes
 * @returns the verdict, with the decision `skipped`, or `tolerated` under the option `audit`; and a signal that tells if a digest of the bytes
 * is revoked later, by a watched policy or a feed. Pass it to `keepRevocable` together with what the runtime created, and close it
 * @throws {@link ModelSealError} `SOURCE_UNKNOWN`, `FILE_REVOKED`, `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`,
 * `POLICY_INVALID`, `POLICY_STALE`, `ADVISORY_STALE`, and the other codes of reading a policy
 * @example
 * ```ts
 * const model = await judgeMemory(bytes, { policy: 'trust-policy.yaml', format: 'onnx' })
 * const session = await runtime.load(bytes)
 * keepRevocable(model, session, { asyncCalls: ['run'], ends: ['release'], release: (created) => created.release() })
 * model.close()
 * ```
 */
export async function judgeMemory(
  given: Uint8Array | ArrayBufferLike | undefined,
  givenOptions?: Pick<OpenOptions, 'policy' | 'audit' | 'onRevoked'> & { format?: ModelFormat | undefined },
): Promise<JudgedMemory> {
  const options = openOptions(givenOptions) as Readonly<NonNullable<typeof givenOptions>>
  const bytes = given === undefined ? undefined : checkedBytes(given, 'the bytes of the model')
  const verdict = emptyVerdict({ path: 'memory:' }, options)
  const known: KnownBytes = { by: undefined, digests: bytes && new Map() }
  const trace: LoadTrace = { model: verdict.model.path }
  return traceLoad(trace, async () => {
    try {
      const recorded = await judgedAndRecorded({ bytes, known }, options, verdict)
      trace.verdict = verdict
      publishVerdict(verdict)
      return new JudgedMemory(verdict, { ...known, recorded }, options.onRevoked)
    } catch (error) {
      const refusal = refused(verdict, error)
      await recordRefusals(verdict)
      trace.verdict = verdict
      publishVerdict(verdict)
      throw refusal
    }
  })
}

async function judgedAndRecorded(
  judged: Judged,
  options: Parameters<typeof judge>[1] & Pick<OpenOptions, 'audit'>,
  verdict: Verdict,
): Promise<RecordedLoad | undefined> {
  try {
    await judge(judged, options, verdict)
  } catch (error) {
    if (!options.audit || !(error instanceof ModelSealError) || holdsInAudit(error)) throw error
    verdict.decision = 'tolerated'
    verdict.wouldRefuse = error.toJSON()
  }
  verdict.at = new Date().toISOString()
  return recordUnopened(verdict)
}

interface Judged {
  bytes: Uint8Array | undefined
  known: KnownBytes
}

async function judge(
  { bytes, known }: Judged,
  options: Pick<OpenOptions, 'policy'> & { format?: ModelFormat | undefined },
  verdict: Verdict,
): Promise<void> {
  const now = Date.now()
  // Started before the first await, because the working directory at the time of the call counts.
  const policyRead = timed(verdict, 'policy', () => policyOf(options.policy, verdict))
  policyRead.catch(() => {})
  const sha256 = bytes && (await digestOf('sha256', bytes))
  if (sha256 !== undefined) known.digests?.set('sha256', sha256)
  const digest = sha256 && `sha256:${sha256}`
  verdict.model.path += digest ?? ''
  const read = await policyRead
  noteJournals(verdict, read.journals)
  const { policy: given } = options
  const version = versionOf(isWatchedPolicy(given) ? given : read, read)
  const feeds = read.advisories.length > 0 ? await adviceFor(read, verdict, undefined) : undefined
  const policy = feeds?.policy ?? read
  if (feeds || isWatchedPolicy(given)) known.by = { ...version, versions: feeds?.versions ?? '' }
  try {
    await checkAge(policy, now, verdict)
    if (feeds) await feeds.check()
    await checking(verdict, 'rule', (tell) => {
      const { name, mode, reason } = ruleForMemory(policy, { digest, format: options.format })
      verdict.rule = name
      verdict.mode = mode
      if (reason !== undefined) verdict.reason = reason
      tell(`The rule ${shown(name)} accepts it from memory.`)
    })
    verdict.decision = 'skipped'
  } finally {
    // A revocation is reported before anything else, because it applies in every mode.
    if (bytes) await lookUp(bytes, known, policy.revocations, verdict)
  }
}

function lookUp(bytes: Uint8Array, { digests }: KnownBytes, revocations: Revocations, verdict: Verdict): Promise<void> {
  return checking(verdict, 'revocation', async (tell) => {
    for (const hashType of hashTypesOf(revocations)) {
      const digest = digests?.get(hashType) ?? (await digestOf(hashType, bytes))
      digests?.set(hashType, digest)
      const revoked = revocations.file(verdict.model.path, hashType, digest, undefined)
      if (revoked) throw revoked
    }
    tell('Its digest is not revoked.')
  })
}

/** Number of bytes to hash at a time, which takes a few milliseconds. */
const TURN_BYTES = 8 * 1024 * 1024

async function digestOf(hashType: HashType, bytes: Uint8Array): Promise<string> {
  const hasher = ALGORITHMS[hashType].start()
  for (let start = 0; start < bytes.length; start += TURN_BYTES) {
    if (start > 0) await turnOfLoop()
    hasher.update(bytes.subarray(start, start + TURN_BYTES))
  }
  return hasher.hex()
}
