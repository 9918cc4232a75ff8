import { isArray, propertyOf } from '../any-realm.ts'
import { shown } from '../errors.ts'
import { checkObject } from '../kinds.ts'
import type { BundleVerdict, Decision, Verdict } from '../results.ts'

/**
 * Explains a verdict in readable sentences: the decision first, then how it was reached.
 *
 * @returns lines of text
 * @example
 * ```ts
 * console.log(explain(model.verdict))
 * ```
 */
export function explain(verdict: Verdict): string {
  checkObject(verdict, 'the verdict', 'a verdict', isVerdict)
  const { model } = verdict
  return [
    `${DECISIONS[verdict.decision]}: ${shown(model.path)}`,
    ...ruleLines(verdict),
    ...modelLines(verdict),
    'Checks:',
    ...verdict.checks.map(
      ({ outcome, check, reason, bundle }) =>
        `  ${outcome === 'passed' ? 'ok  ' : 'FAIL'} ${check}${bundle === undefined ? '' : ` of ${shown(bundle)}`}: ${reason}`,
    ),
    ...(verdict.bundles.length > 0
      ? ['Bundles:', ...verdict.bundles.map((bundle) => `  ${bundleSentence(bundle)}`)]
      : []),
    ...(verdict.warnings ?? []).map(({ message }) => `Warning: ${message}`),
    ...endLines(verdict),
  ].join('\n')
}

function isVerdict(given: object): boolean {
  const model = propertyOf(given, 'model')
  return (
    typeof model === 'object' &&
    model !== null &&
    Object.hasOwn(DECISIONS, String(propertyOf(given, 'decision'))) &&
    ['checks', 'bundles'].every((name) => isArray(propertyOf(given, name)))
  )
}

const DECISIONS: Record<Decision, string> = {
  accepted: 'Accepted',
  refused: 'Refused',
  tolerated: 'Loads UNVERIFIED although the check refuses it',
  skipped: 'Loads UNVERIFIED, since its rule skips the check',
}

function ruleLines({ policy, rule, mode, reason }: Verdict): string[] {
  if (policy === undefined) return ['No policy was read.']
  if (rule === undefined) return [`No rule of the policy ${shown(policy)} was applied.`]
  const why = reason === undefined ? '' : ` Its reason: ${shown(reason)}.`
  return [`The rule ${shown(rule)} of the policy ${shown(policy)} decides, in the mode ${mode ?? 'enforce'}.${why}`]
}

function modelLines({ model, files, bytes, hashed, durations }: Verdict): string[] {
  if (model.rootDigest === undefined) return []
  const { policy, verification, hashing } = durations
  const how = hashed === 'receipt' ? 'have not changed since they were hashed (receipt)' : 'were hashed'
  return [
    `It was signed under the name ${shown(model.name ?? '')}, with the root digest sha256:${model.rootDigest}.`,
    `${files.checked} of ${files.signed} signed files ${how}, ${bytes} bytes${hashed === 'receipt' ? ' of them hashed again' : ''}, in ${Math.round(policy + verification + hashing)} ms.`,
  ]
}

function bundleSentence({ path, counted, signer, time, reason }: BundleVerdict): string {
  const by = signer
    ? `is signed by ${signer.description}, under the trust root ${shown(signer.name)}`
    : 'has no valid signature from an accepted signer'
  const when = time ? `, at ${time.at} according to ${shown(time.authority)}` : ''
  const why = counted
    ? 'It counts.'
    : reason
      ? `It does not count: ${reason.code}. ${reason.message}`
      : 'It does not count.'
  return `${shown(path)} ${by}${when}. ${why}`
}

function endLines({ error, wouldRefuse }: Verdict): string[] {
  if (error) return [`Why: ${error.code}. ${error.message}`]
  return wouldRefuse ? [`Would be refused: ${wouldRefuse.code}. ${wouldRefuse.message}`] : []
}
