import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { listed } from '../../manifest/compare-listing.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import { StreamedFiles } from '../../manifest/arriving/streamed-files.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { PlainModel } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import type { SizeLimit } from '../../source/size-limit.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { Load } from '../load.ts'
import { SeenFiles } from '../standing/seen-files.ts'
import { allOf, DigestedFiles } from './digested-files.ts'
import { LinkedFiles } from './linked-files.ts'
import { hashTypesOf, revokedBy, RevokedFiles } from './revoked-files.ts'
import type { UnrevokedClaims } from './unrevoked-claims.ts'
import { publishedFiles, unrevokedManifest } from './unrevoked-manifest.ts'
import { UnverifiedFiles, UNSIGNED, type UncheckedFiles } from './unverified-files.ts'

/**
 * Opens a model unverified, for a rule in the mode `skip`, or one in the mode `audit` that would have refused it.
 * Revocations still apply: to the claims of the bundles, which were looked up before; to the root digest, if the policy
 * revokes root digests; and to the digest of each file that is read, if it revokes file digests.
 *
 * The root digest can be computed only for files on this machine, so a policy that revokes root digests refuses any
 * other model.
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `MODEL_REVOKED`, `MODEL_UNIDENTIFIED`, `FILE_TOO_LARGE`, what
 * reading and the source throw, and if root digests are revoked, what {@link unrevokedManifest} throws
 */
export async function openUnverified(load: Load, claims: UnrevokedClaims): Promise<UnverifiedFiles> {
  const { found, revocations, mayBeUnsigned } = claims
  const source = await load.opened()
  const model = await unverifiedModel(source, found)
  const { signal, isolation, maxBytes, signature } = load.options
  const limit = source.limit(model.files, maxBytes)
  const warn = load.warnInto(load.judgings)
  const concerned = revocations.find(({ concernsModels }) => concernsModels)
  const hashing = { signature, signal, limit, warn, mayBeUnsigned }
  const path = localPathOf(model, found)
  if (path === undefined && concerned) throw revokedBy(concerned, unidentified(load.label))
  const manifests = path === undefined ? undefined : await unrevokedManifest(path, found?.bundles, revocations, hashing)
  load.content.path = path
  load.content.rootDigests = manifests?.map(({ rootDigest }) => rootDigest)
  const digested = manifests ? [new DigestedFiles(manifests[0], mayBeUnsigned)] : []
  const judge = load.content.recordingEach(
    allOf([...digested, ...revocations.map((each) => new RevokedFiles(each, hashTypesOf(each)))]),
  )
  if (path !== undefined && !manifests && load.isWatched)
    load.content.published = await seenAt(path, found?.bundles, hashing)
  const reader = source.newReader()
  const { local } = model.files
  const seen = new SeenFiles()
  const files = local
    ? await LinkedFiles.open({ root: local.path, names: model.names }, judge, {
        signal,
        limit,
        warn,
        seen: (file) => seen.add(file),
      })
    : await streamed(model, judge, { reader, limit, signal })
  const handing = { entry: model.entry, isolation, isJudged: () => judge.hashTypes.length > 0 }
  const unverified = new UnverifiedFiles(files, handing, load.closing(reader))
  load.content.unverified = local && { root: local.path, names: unverified.handedOut, seen }
  return unverified
}

/** @returns undefined if the files cannot be listed, such as those of a model that nobody could sign */
async function seenAt(...model: Parameters<typeof publishedFiles>): Promise<SeenFiles | undefined> {
  try {
    return new SeenFiles(await publishedFiles(...model))
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    return undefined
  }
}

/** The directory that the bundles sign, if they sign one; otherwise, the requested file and the files beside it. */
async function unverifiedModel(source: OpenedSource, found: FoundModel | undefined): Promise<PlainModel> {
  // Always called, because it may refuse.
  const asked = await source.unverified()
  return found && !found.files.isFile ? { files: found.files, entry: found.entry, names: undefined } : asked
}

/**
 * The root digest as the publisher would sign it, for a model on this machine. The name that the source gives proves
 * nothing.
 */
function localPathOf({ files, entry }: PlainModel, found: FoundModel | undefined): string | undefined {
  // The files that are handed out must be on this machine as well.
  if (!files.local) return undefined
  const isWhole = entry === undefined || (found && !found.files.isFile)
  return isWhole ? files.local.path : join(files.local.path, entry)
}

async function streamed(
  { files, names }: PlainModel,
  further: FurtherDigests,
  { reader, limit, signal }: { reader: SourceReader; limit: SizeLimit | undefined; signal: AbortSignal | undefined },
): Promise<UncheckedFiles> {
  const streams = new StreamedFiles({ files, reader, limit }, UNSIGNED, withoutPrototype({ further }))
  const known = names ?? (await listed(files, reader, signal)).map(({ name }) => name)
  return {
    names: known,
    size: (name) => streams.size(name),
    readAll: (requests) => streams.readAll(requests),
    copy: (copied, directory) => streams.copy(copied, directory),
  }
}

export function unidentified(model: string): ModelSealError {
  return new ModelSealError(
    'MODEL_UNIDENTIFIED',
    `Cannot load the model ${shown(model)}: the policy revokes root digests, and the root digest of this model cannot be computed.`,
    { hint: 'Load it verified, or download it and load it by its path.' },
  )
}
