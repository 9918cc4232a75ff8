import { isArray, propertyOf } from '../any-realm.ts'
import { sentenceOf, shown } from '../errors.ts'
import { checkObject } from '../kinds.ts'
import type { AttestationVerdict, BundleVerdict, Decision, Verdict } from '../results.ts'

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
  const { model, error, wouldRefuse } = verdict
  const last = error ?? wouldRefuse
  return [
    `${DECISIONS[verdict.decision]}: ${shown(model.path)}`,
    ...revisionLines(verdict),
    ...ruleLines(verdict),
    ...modelLines(verdict),
    ...(verdict.checks.length > 0 ? ['Checks:'] : []),
    ...verdict.checks.map(
      ({ outcome, check, reason, bundle }) =>
        `  ${outcome === 'passed' ? 'ok  ' : 'FAIL'} ${check}${bundle === undefined ? '' : ` of ${shown(bundle)}`}: ${reason === last?.message ? sentenceOf(last) : reason}`,
    ),
    ...(verdict.bundles.length > 0
      ? ['Bundles:', ...verdict.bundles.map((bundle) => `  ${bundleSentence(bundle)}`)]
      : []),
    ...attestationLines(verdict),
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

function revisionLines({ model: { revision, requested } }: Verdict): string[] {
  if (revision === undefined) return []
  const named = requested === undefined || requested === revision ? '' : `, which ${shown(requested)} names`
  return [`Its revision is ${shown(revision)}${named}.`]
}

function modelLines({ model, files, bytes, hashed, durations }: Verdict): string[] {
  if (model.rootDigest === undefined) return []
  const { policy, verification, hashing } = durations
  const amount =
    hashed === 'receipt'
      ? `${filesWith(files, 'has', 'have')} not changed since ${isOne(files) ? 'it was' : 'they were'} hashed (receipt); ${bytes} bytes were hashed again`
      : `${hashedWords(files)}, ${bytes} bytes`
  return [
    `It was signed under the name ${shown(model.name ?? '')}, with the root digest sha256:${model.rootDigest}.`,
    `${amount}, in ${Math.round(policy + verification + hashing)} ms.`,
  ]
}

/** How many signed files were hashed, and match. */
export function hashedWords(files: Verdict['files']): string {
  const were = filesWith(files, 'was', 'were')
  return `${were} hashed and ${isOne(files) ? 'matches its signed digest' : 'match their signed digests'}`
}

function filesWith(files: Verdict['files'], one: string, many: string): string {
  const { checked, signed } = files
  return isOne(files) ? `1 of 1 signed file ${one}` : `${checked} of ${signed} signed files ${many}`
}

/** Whether the single file of a model was checked; "0 of 1" takes the plural. */
function isOne({ checked, signed }: Verdict['files']): boolean {
  return checked === 1 && signed === 1
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

/** Only a rule that requires attestations makes a load look for them. */
function attestationLines({ attestations }: Verdict): string[] {
  if (attestations === undefined) return []
  if (attestations.length === 0) return ['Attestations: there are none.']
  const told = attestations.slice(0, MOST_ATTESTATIONS)
  const more = attestations.length - told.length
  return [
    'Attestations:',
    ...told.map((attestation) => `  ${attestationSentence(attestation)}`),
    ...(more > 0 ? [`  and ${more} more.`] : []),
  ]
}

/** A model may have a thousand. */
const MOST_ATTESTATIONS = 50

function attestationSentence({ path, kind, type, signer, time, satisfies, reason }: AttestationVerdict): string {
  const what =
    kind === undefined
      ? type === undefined
        ? 'cannot be read'
        : `is of the type ${shown(type)}`
      : `is of the kind ${kind}`
  const by = signer ? `, signed by ${signer.description}, under the trust root ${shown(signer.name)}` : ''
  const when = time ? `, at ${time.at} according to ${shown(time.authority)}` : ''
  const why = satisfies
    ? `It satisfies the rule: ${satisfies.join(', ')}.`
    : reason
      ? `It does not count: ${reason.code}. ${reason.message}`
      : 'The rule does not ask for it.'
  return `${shown(path)} ${what}${by}${when}. ${why}`
}

function endLines({ error, wouldRefuse }: Verdict): string[] {
  if (error) return [`Why: ${error.code}. ${error.message}`]
  return wouldRefuse ? [`Would be refused: ${wouldRefuse.code}. ${wouldRefuse.message}`] : []
}
