import { ModelSealError } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import { chooseRule } from '../../policy/matching/choose-rule.ts'
import type { ClaimedName } from '../../policy/matching/match.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { revokedFile } from '../../policy/revocations/revoked-file.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import type { Rule } from '../../policy/rule.ts'
import { boundsOf, type SignatureBounds } from '../../policy/signature-time.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { nameClaimedBy } from '../bundles/bundle-search.ts'
import { refuseRevokedClaims } from '../files/revoked-claims.ts'
import { hashTypesBeside, hashTypesOf, RevokedFiles } from '../files/revoked-files.ts'
import { checkPinned } from '../judging/check-pinned.ts'
import { factsOf } from '../judging/judged-by.ts'
import { holdsInAudit } from '../judging/holds-in-audit.ts'
import type { CurrentVersion } from './current-version.ts'
import type { JudgedLoad } from './judged-load.ts'

/** What must be computed before it is known whether a loaded model is revoked. */
export interface Unknown {
  /** Algorithms by which files are revoked, and with which those of the model were not hashed. */
  hashTypes: readonly HashType[]
  rootDigest: boolean
  /** True if attestations are required, and those of the model were not read. */
  attestations: boolean
}

/**
 * Judges a loaded model by a later version of its policy, from what its load remembers: rule, signatures, times, attestations and
 * revocations. Nothing is hashed. How old the policy and its feeds are does not matter, because an outage must not stop a model that runs.
 *
 * @returns what is not known
 * @throws {@link ModelSealError} why the policy would refuse the model now
 */
export async function judgeAgain(load: JudgedLoad, { policy }: CurrentVersion): Promise<Unknown> {
  const { revocations } = policy
  await refuseRevokedPackage(load, revocations)
  const { signature, unread = false } = load.isAccepted ? await acceptedBy(load, policy) : NOT_ACCEPTED
  if (!signature) {
    await refuseRevokedClaims(load.found, revocations, undefined)
    refuseRevokedContent(load, revocations)
  }
  const when = signature && boundsOf(signature)
  const hashTypes = refuseRevokedFiles(load, revocations, when)
  const { manifest } = load.verified ?? {}
  const types = manifest ? hashTypesBeside(manifest.serialization, revocations) : hashTypesOf(revocations)
  load.content.alsoBy(load, new RevokedFiles(revocations, types, when))
  const rootDigest = !manifest && revocations.concernsModels && load.content.rootDigests === undefined
  return { hashTypes, rootDigest, attestations: unread }
}

async function refuseRevokedPackage({ revision: { packageUrl } }: JudgedLoad, revocations: Revocations): Promise<void> {
  if (packageUrl === undefined || !revocations.concernsPackages) return
  const { revokedPackage } = await import('../../policy/revocations/revoked-package.ts')
  const revoked = await revokedPackage(packageUrl, revocations)
  if (revoked) throw revoked
}

interface AcceptedNow {
  /** Undefined if the model may be loaded without one. */
  signature: VerifiedSignature | undefined
  /** True if the rule requires attestations, and those of the model were not read. */
  unread?: boolean
}

const NOT_ACCEPTED: AcceptedNow = { signature: undefined }

async function acceptedBy(load: JudgedLoad, policy: CompiledPolicy): Promise<AcceptedNow> {
  let isAudit = load.stated.audit === true
  try {
    const facts = factsOf(load.place, load.stated, () => claimedNames(load))
    const { rule, mode } = await chooseRule(policy, facts)
    isAudit ||= mode === 'audit'
    return mode === 'skip' ? NOT_ACCEPTED : await acceptedSignature(load, rule, policy)
  } catch (error) {
    if (!isAudit || !(error instanceof ModelSealError) || holdsInAudit(error)) throw error
    return NOT_ACCEPTED
  }
}

async function claimedNames({ found }: JudgedLoad): Promise<ClaimedName[]> {
  const names: ClaimedName[] = found?.unread === undefined ? [] : [{ path: found.unread }]
  for (const bundle of found?.bundles ?? []) names.push(await nameClaimedBy(bundle, undefined))
  return names
}

/** @throws {@link ModelSealError} why the rule does not accept what was loaded */
async function acceptedSignature(load: JudgedLoad, rule: Rule, policy: CompiledPolicy): Promise<AcceptedNow> {
  const { found, verified, place, revision } = load
  if (rule.require.pinned) checkPinned(rule, place, revision)
  const now = Date.now()
  const { judge } = await import('../../policy/judge.ts')
  const { outcome } = await judge(found?.bundles ?? [], rule, policy, { now })
  if ('refusal' in outcome) throw outcome.refusal
  const { manifest } = outcome.signature
  if (!verified || modelIdentity(manifest) !== modelIdentity(verified.manifest)) throw otherModel()
  const { attestations } = verified
  if (rule.attestations.length > 0 && attestations) {
    if (attestations instanceof ModelSealError) throw attestations
    const { judgeAttestations } = await import('../../policy/attestations/judge-attestations.ts')
    const model = { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) }
    const grounds = { model, rule: rule.name, policy, now, signal: undefined }
    const { refusal } = await judgeAttestations(attestations, rule.attestations, grounds)
    if (refusal) throw refusal
  }
  return { signature: outcome.signature, unread: rule.attestations.length > 0 && !attestations }
}

function otherModel(): ModelSealError {
  return new ModelSealError(
    'SIGNER_NOT_TRUSTED',
    'No signature of the loaded model counts: those that the policy accepts now are over another model beside it.',
  )
}

/** @throws {@link ModelSealError} `MODEL_REVOKED`, `FILE_REVOKED` */
function refuseRevokedContent({ verified, content }: JudgedLoad, revocations: Revocations): void {
  const rootDigests = verified ? [verified.manifest.rootDigest] : (content.rootDigests ?? [])
  for (const digest of rootDigests) {
    const revoked = revocations.rootDigest(digest, undefined)
    if (revoked) throw revoked
  }
  const revoked = verified && revokedFile(verified.manifest, revocations, undefined)
  if (revoked) throw revoked
}

/**
 * Looks up the digests that the load computed besides those of the manifest.
 *
 * @returns the algorithms with which it computed none
 * @throws {@link ModelSealError} `FILE_REVOKED`
 */
function refuseRevokedFiles(
  { verified, content }: JudgedLoad,
  revocations: Revocations,
  when: SignatureBounds | undefined,
): HashType[] {
  const types = verified ? hashTypesBeside(verified.manifest.serialization, revocations) : hashTypesOf(revocations)
  return types.filter((type) => {
    const digests = content.digestsBy(type)
    if (!digests) return true
    for (const [name, ofFile] of digests) {
      for (const digest of ofFile) {
        const revoked = revocations.file(name, type, digest, when)
        if (revoked) throw revoked
      }
    }
    return false
  })
}
