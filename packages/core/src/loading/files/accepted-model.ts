import { ModelSealError } from '../../errors.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { revokedFile } from '../../policy/revocations/revoked-file.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import type { Rule } from '../../policy/rule.ts'
import { boundsOf } from '../../policy/signature-time.ts'
import { AlsoSigned } from './also-signed.ts'
import { allOf, DigestedFiles } from './digested-files.ts'
import type { Accepted, AcceptedJudging } from '../judging/judging.ts'
import { compareNames, type AcceptedModel } from './open-contents.ts'
import type { Load } from '../load.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { unidentified } from './open-unverified.ts'
import { hashTypesBeside, hashTypesOf, revokedBy, RevokedFiles } from './revoked-files.ts'
import { unrevokedClaims, type UnrevokedClaims } from './unrevoked-claims.ts'
import { unrevokedManifest } from './unrevoked-manifest.ts'

/**
 * The model that the accepted signatures cover, with everything else that its files are checked against. Policies that
 * load the model unverified contribute their revocations.
 *
 * @param accepted the policies that accepted a signature
 * @param rule their combined requirements for the files
 * @throws {@link ModelSealError} `POLICIES_DISAGREE`, and what reading names and revocations throws
 */
export async function acceptedModel(
  load: Load,
  accepted: readonly [AcceptedJudging, ...AcceptedJudging[]],
  rule: Rule,
): Promise<AcceptedModel> {
  const signatures = accepted.map((judging) => judging.accepted)
  // If one signature has shard digests, files are read by these; digests of whole files come from the same read.
  const main = signatures.find(({ signature }) => isSharded(signature.manifest)) ?? accepted[0].accepted
  const { found, signature } = main
  const further: FurtherDigests[] = []
  const otherBundles: FoundBundle[] = []
  for (const other of signatures) {
    // A name means the same file for both only if both lists start at the same directory.
    if (other.found.files.path !== found.files.path) throw disagreement('signatures over two different directories')
    const sameModel = other === main || modelIdentity(other.signature.manifest) === modelIdentity(signature.manifest)
    if (!sameModel) further.push(await alsoSigned(load, main, other, rule))
    if (other !== main) otherBundles.push(...other.found.bundles)
    further.push(revokedFiles(main, other))
  }
  const unverified = load.judgings.filter((judging) => !judging.accepted)
  const { revocations, mayBeUnsigned } = await unrevokedClaims(unverified, load)
  for (const each of revocations) further.push(...(await unrevokedFiles(load, main, each, mayBeUnsigned)))
  return { found, signature, rule, further: load.content.recording(allOf(further)), otherBundles }
}

function isSharded({ serialization }: Manifest): boolean {
  return serialization.method === 'shards'
}

/** The judgement of a signature looked up only the digests in its own manifest. */
function revokedFiles({ signature: { manifest } }: Accepted, { signature, revocations }: Accepted): RevokedFiles {
  const types =
    signature.manifest === manifest ? hashTypesBeside(manifest.serialization, revocations) : hashTypesOf(revocations)
  return new RevokedFiles(revocations, types, boundsOf(signature))
}

/** Applies the revocations of a policy that loads the model unverified to a model that another policy verifies. */
async function unrevokedFiles(
  load: Load,
  { found, signature: { manifest } }: Accepted,
  revocations: Revocations,
  mayBeUnsigned: UnrevokedClaims['mayBeUnsigned'],
): Promise<FurtherDigests[]> {
  const revoked =
    revocations.rootDigest(manifest.rootDigest, undefined) ?? revokedFile(manifest, revocations, undefined)
  if (revoked) throw revokedBy(revocations, revoked)
  const files = new RevokedFiles(revocations, hashTypesBeside(manifest.serialization, revocations))
  const { method, hashType } = manifest.serialization
  // Policies revoke root digests in the form that "modelseal digest" prints.
  if (!revocations.concernsModels || (method === 'files' && hashType === 'sha256')) return [files]
  const { local } = found.files
  if (!local) throw revokedBy(revocations, unidentified(load.label))
  const { signature, signal } = load.options
  const hashing = withoutPrototype({ signature, signal, mayBeUnsigned })
  const digested = await unrevokedManifest(local.path, found.bundles, [revocations], hashing)
  return digested ? [files, new DigestedFiles(digested[0], mayBeUnsigned)] : [files]
}

/**
 * Adds a second signature, over another list of the same files.
 *
 * @throws {@link ModelSealError} `POLICIES_DISAGREE` if they do not cover the same files, or cannot be compared in one
 * read; and what comparing names throws
 */
async function alsoSigned(
  load: Load,
  { found, signature: { manifest } }: Accepted,
  { found: otherFound, signature: { manifest: other } }: Accepted,
  rule: Rule,
): Promise<AlsoSigned> {
  if (isSharded(other)) throw disagreement('shard digests with two different sizes or algorithms')
  if (rule.require.files !== 'loaded' && !found.files.isFile) {
    const missing = [...other.files.keys()].find((name) => !manifest.files.has(name))
    if (missing !== undefined)
      throw disagreement(`one list of files with ${JSON.stringify(missing)}, and one without it`)
  }
  await compareNames(load, {
    files: found.files,
    manifest: other,
    bundles: [...found.bundles, ...otherFound.bundles],
    rule,
  })
  return new AlsoSigned(other)
}

function disagreement(found: string): ModelSealError {
  return new ModelSealError(
    'POLICIES_DISAGREE',
    'Cannot load the model: two policies judge this load, and each accepts a different signature.',
    {
      expected: 'signatures over the same files, hashed in the same way',
      found,
      hint: 'Sign the model once for both policies, or make both accept the same signer.',
    },
  )
}
