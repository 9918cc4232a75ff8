import type { FoundBundle } from '../../bundle/bundle.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import { ModelSealError, shown, withHint } from '../../errors.ts'
import { chooseRule, type ChosenRule } from '../../policy/matching/choose-rule.ts'
import type { JournalSettings } from '../../journal/writing/settings/settings.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { ModelFormat, Verdict } from '../../results.ts'
import type { BelievedAttestation } from '../../policy/attestations/judge-attestations.ts'
import { DATASET_FORMAT } from '../../policy/model-formats.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { ofDataset } from '../../policy/requirements/files.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import type { Rule } from '../../policy/rule.ts'
import { isWatchedPolicy } from '../../policy/watching/watch-policy.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { readAttestationFiles } from '../attestations/read-attestations.ts'
import { BundleSearch, type SearchedSource } from '../bundles/bundle-search.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import { saidFormats } from './loaded-format.ts'
import type { OpenOptions } from '../open-options.ts'
import { adviceFor } from './advice.ts'
import { concernsClaims } from '../files/revoked-claims.ts'
import { checkPinned } from './check-pinned.ts'
import { factsOf, versionOf, type JudgedBy } from './judged-by.ts'
import { checkAge, policyOf } from './read-policy.ts'
import { holdsInAudit } from './holds-in-audit.ts'
import { checking, emptyVerdict, timed } from './verdict-steps.ts'

/** The location of the judged model. */
interface JudgedSource extends SearchedSource {
  readonly place: ModelPlace
}

/** Whose policy judges a load. */
export interface Judge extends Pick<OpenOptions, 'policy' | 'audit'> {
  /** Name of the judge for messages and verdicts; undefined for the program itself. */
  by?: string | undefined
}

/** A signature that a policy accepts, and the rule that accepts it. */
export interface Accepted {
  found: FoundModel
  signature: VerifiedSignature
  rule: Rule
  revocations: Revocations
  /** The attestations that satisfy the rule. */
  attestations: readonly BelievedAttestation[]
  /** Those that were read; undefined if the rule requires none. */
  readAttestations: readonly FoundBundle[] | undefined
}

/** The judgement of a policy that accepts a signature. */
export type AcceptedJudging = Judging & { accepted: Accepted }

/** The judgement of a load by one policy. If a load has several, all of them must accept it. */
export class Judging {
  readonly by: string | undefined
  readonly verdict: Verdict
  /** The signature that the model must match; undefined if this policy loads it unverified. */
  accepted: Accepted | undefined
  readonly #options: OpenOptions
  readonly #search: BundleSearch
  readonly #source: JudgedSource
  #policy: CompiledPolicy | undefined
  #judgedBy: JudgedBy | undefined
  /** Kept apart from the verdict, which has a prototype: `Object.prototype` could supply a mode that is missing there. */
  #mode: Rule['mode'] | undefined
  #mayBeUnsigned: Rule['require']['unsigned']
  #formats: readonly ModelFormat[]
  #unverified: 'skipped' | 'tolerated' | undefined

  /** @param other judgement of the same load that reads the bundles first */
  constructor(source: JudgedSource, given: OpenOptions, { by, policy, audit }: Judge, other?: Judging) {
    // Only the program says where a local model came from, and only its own policy trusts that.
    const options = { ...given, policy, audit, ...(by === undefined ? {} : { url: undefined }) }
    this.by = by
    this.#options = options
    this.#source = source
    this.verdict = { ...emptyVerdict(source.place, options), ...(by === undefined ? {} : { by }) }
    this.#search = new BundleSearch(source, options, other && other.#search)
    this.#formats = saidFormats(options.format)
  }

  /** The formats that may be loaded; empty if none were stated. */
  get formats(): readonly ModelFormat[] {
    return this.accepted ? this.#formats : saidFormats(this.#options.format)
  }

  /**
   * Reads the policy and verifies the signature as its rule demands.
   *
   * @throws {@link ModelSealError} the reason why it refuses the model
   */
  async judge(now: number): Promise<void> {
    try {
      const chosen = await timed(this.verdict, 'policy', () => this.#findRule(now))
      this.#formats = chosen.formats
      if (chosen.mode === 'skip') this.#unverified = 'skipped'
      else this.accepted = await timed(this.verdict, 'verification', () => this.#findSignature(chosen, now))
    } catch (error) {
      if (!this.tolerates(error)) throw error
    }
  }

  /** Whether this policy tolerates its own refusal. From then on, it loads the model unverified. */
  tolerates(error: unknown): error is ModelSealError {
    const audit = this.#mode === 'audit' || this.#options.audit === true
    if (!audit || this.#unverified === 'tolerated' || !(error instanceof ModelSealError) || holdsInAudit(error))
      return false
    this.verdict.wouldRefuse = error.toJSON()
    this.accepted = undefined
    this.#unverified = 'tolerated'
    return true
  }

  /** Undefined before the policy was read. */
  get knownRevocations(): Revocations | undefined {
    return this.#policy?.revocations
  }

  /** Undefined if neither the policy nor a feed can change while the model is loaded. */
  get judgedBy(): JudgedBy | undefined {
    return this.#judgedBy
  }

  /** The program's own audit mode, and what it said about the model. */
  get stated(): Pick<OpenOptions, 'url' | 'format' | 'audit'> {
    return this.#options
  }

  /** The paths that its rule allows to be unsigned. */
  get mayBeUnsigned(): Rule['require']['unsigned'] {
    return this.#mayBeUnsigned
  }

  /** Where this policy has its loads recorded. */
  get journals(): readonly JournalSettings[] {
    return this.#policy?.journals ?? []
  }

  /** Empty if the policy could not be read. */
  get revocations(): Revocations {
    return this.#policy?.revocations ?? new Revocations()
  }

  /** The readable bundles of a model that is loaded unverified. */
  async findIfAny(): Promise<FoundModel | undefined> {
    const orTooLarge = !concernsClaims(this.revocations)
    return this.#search.findIfAny({ orUnreadable: this.#unverified === 'tolerated', orTooLarge })
  }

  /** Records in the verdict that the model is loaded. */
  decide(): void {
    this.verdict.decision = this.#unverified ?? 'accepted'
    this.verdict.at = new Date().toISOString()
  }

  async #findRule(now: number): Promise<ChosenRule & { policy: CompiledPolicy }> {
    const { verdict } = this
    const { policy: given, format, url, signal } = this.#options
    const read = await policyOf(given, verdict)
    const version = versionOf(isWatchedPolicy(given) ? given : read, read)
    // Revocations hold even if the policy or a feed is too old.
    this.#policy = read
    const feeds = read.advisories.length > 0 ? await adviceFor(read, verdict, signal) : undefined
    const policy = feeds?.policy ?? read
    if (feeds || isWatchedPolicy(given)) this.#judgedBy = { ...version, versions: feeds?.versions ?? '' }
    this.#policy = policy
    await this.#checkPackage(policy)
    await checkAge(policy, now, verdict)
    if (feeds) await feeds.check()
    return checking(verdict, 'rule', async (tell) => {
      const facts = factsOf(this.#source.place, { url, format }, () => this.#search.claimedNames(policy.rules))
      const chosen = await chooseRule(policy, facts).catch((error: unknown) => this.#orMissing(error))
      const { rule, mode } = chosen
      verdict.rule = rule.name
      verdict.mode = mode
      this.#mode = mode
      this.#mayBeUnsigned = rule.require.unsigned
      this.#search.goBy(rule)
      if (rule.reason !== undefined) verdict.reason = rule.reason
      const enforced = mode === rule.mode ? '' : ', but it is enforced because the unverified model named the format'
      tell(`The rule ${shown(rule.name)} is the first that matches; its mode is ${rule.mode}${enforced}.`)
      return { ...chosen, policy }
    })
  }

  /** In every mode, and before anything is fetched from the model. */
  async #checkPackage({ revocations }: CompiledPolicy): Promise<void> {
    if (!revocations.concernsPackages) return
    const { packageUrl } = await this.#source.opened()
    if (packageUrl === undefined) return
    const { revokedPackage } = await import('../../policy/revocations/revoked-package.ts')
    await checking(this.verdict, 'revocation', async (tell) => {
      const revoked = await revokedPackage(packageUrl, revocations)
      if (revoked) throw revoked
      tell(`The model ${shown(packageUrl)} is not revoked.`)
    })
  }

  /** A rule that would match a path without a model is of no use, so the hint says first that there is none. */
  async #orMissing(error: unknown): Promise<never> {
    if (!(error instanceof ModelSealError) || error.code !== 'POLICY_NO_MATCH') throw error
    const source = this.#source
    if (source.place.path === undefined) throw error
    const fault: unknown = await source.opened().then(
      (opened) => opened.model().catch((thrown: unknown) => thrown),
      () => undefined,
    )
    if (!(fault instanceof ModelSealError) || fault.code !== 'MODEL_NOT_FOUND') throw error
    throw withHint(error, ['There is no model at this path.', fault.hint, error.hint].filter(Boolean).join(' '))
  }

  async #findSignature({ rule, policy }: { rule: Rule; policy: CompiledPolicy }, now: number): Promise<Accepted> {
    const { verdict } = this
    const { signal } = this.#options
    const found = await checking(verdict, 'bundles', async (tell) => {
      if (rule.require.pinned) checkPinned(rule, this.#source.place, await this.#source.opened())
      const model = await this.#search.find()
      const count = model.bundles.length === 1 ? 'one bundle' : `${model.bundles.length} bundles`
      tell([`The model has ${count}.`, ...bundleRules(rule)].join(' '))
      return model
    })
    if (found.entry !== undefined) verdict.model.entry = found.entry
    // Imported lazily. Reading a policy has already loaded most of it.
    const { judge } = await import('../../policy/judge.ts')
    const { checks, bundles, outcome } = await judge(found.bundles, rule, policy, { now, signal })
    verdict.checks.push(...checks)
    verdict.bundles = bundles
    if ('refusal' in outcome) throw outcome.refusal
    const { signature } = outcome
    const { manifest } = signature
    verdict.model.name = manifest.modelName
    verdict.model.rootDigest = manifest.rootDigest
    verdict.files.signed = manifest.files.size
    const attestations = await this.#findAttestations({ found, signature, rule }, policy, now)
    const isDataset = this.#options.format === DATASET_FORMAT
    const used = isDataset ? { ...rule, require: ofDataset(rule.require) } : rule
    return { found, signature, rule: used, revocations: policy.revocations, ...attestations }
  }

  /** Attestations are read only if the rule requires some: nothing else depends on them. */
  async #findAttestations(
    { found, signature, rule }: Pick<Accepted, 'found' | 'signature' | 'rule'>,
    policy: CompiledPolicy,
    now: number,
  ): Promise<Pick<Accepted, 'attestations' | 'readAttestations'>> {
    if (rule.attestations.length === 0) return { attestations: [], readAttestations: undefined }
    const { verdict } = this
    const { signal } = this.#options
    const { manifest } = signature
    const isSigned = (name: string) => manifest.files.has(name)
    const attestations = await readAttestationFiles(
      await this.#source.opened(),
      { files: found.files, isSigned },
      signal,
    )
    const { judgeAttestations } = await import('../../policy/attestations/judge-attestations.ts')
    const model = { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) }
    const grounds = { model, rule: rule.name, policy, now, signal }
    const judged = await judgeAttestations(attestations, rule.attestations, grounds)
    verdict.checks.push(...judged.checks)
    verdict.attestations = judged.attestations
    if (judged.refusal) throw judged.refusal
    return { attestations: judged.believed, readAttestations: attestations }
  }
}

/** Sentences about what a rule says of bundles, beyond the defaults. */
function bundleRules({ bundle, require: { maxBundleBytes } }: Rule): string[] {
  const places = bundle && bundle.written.map((glob) => shown(glob)).join(' or ')
  return [
    ...(places === undefined ? [] : [`The rule looks for bundles only at ${places}.`]),
    ...(maxBundleBytes === undefined ? [] : [`The rule allows bundles of at most ${maxBundleBytes} bytes.`]),
  ]
}
