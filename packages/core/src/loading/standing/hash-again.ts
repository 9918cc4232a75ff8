import { ModelSealError } from '../../errors.ts'
import { Contents } from '../../manifest/contents.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { checkedFiles } from '../../source/answers/source-answers.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import { LinkedFiles } from '../files/linked-files.ts'
import { publishedFiles, publishedManifests } from '../files/unrevoked-manifest.ts'
import type { Unknown } from './judge-again.ts'
import type { JudgedLoad, VerifiedContent } from './judged-load.ts'
import { soon } from './soon.ts'

/** How long a source may take to say where its cache is, in milliseconds. */
const PATIENCE = 10_000

/**
 * Hashes the files of a loaded model once more, for digests that its load did not compute, and remembers them.
 *
 * @throws {@link ModelSealError} `FILE_REVOKED` if a file is revoked; `FILE_REVOKED`, `MODEL_REVOKED` if that is impossible: then nothing proves that the model is not revoked
 */
export async function hashAgain(load: JudgedLoad, { hashTypes, rootDigest }: Unknown): Promise<void> {
  const { content, found, signature, mayBeUnsigned } = load
  try {
    if (hashTypes.length > 0) await hashFilesAgain(load, hashTypes)
    if (!rootDigest) return
    if (content.path === undefined) throw notHere()
    const bundles = found?.bundles ?? []
    const manifests = await publishedManifests(content.path, bundles, { signature, mayBeUnsigned })
    if (!content.published) throw notSeen()
    // Looked at afterwards, so that they cannot have changed while they were hashed either.
    content.published.checkAll(await publishedFiles(content.path, bundles, { signature, mayBeUnsigned }))
    content.rootDigests = manifests.map((manifest) => manifest.rootDigest)
  } catch (error) {
    content.drop(hashTypes)
    // The digest of a file was computed, and it is the revoked one.
    if (error instanceof ModelSealError && error.code === 'FILE_REVOKED') throw error
    throw unknownDigest(rootDigest && hashTypes.length === 0 ? 'MODEL_REVOKED' : 'FILE_REVOKED', error)
  }
}

async function hashFilesAgain({ verified, content }: JudgedLoad, hashTypes: Unknown['hashTypes']): Promise<void> {
  const recorder = content.adding(hashTypes)
  if (verified) {
    const local = verified.local ?? (await cached(verified))
    if (!local) throw notHere()
    // What has changed does not match what was signed. What is added to the directory later is not part of what was loaded.
    const options = withoutPrototype({ ignoreUnsignedFiles: true, further: recorder })
    const contents = await Contents.compareNames(local, verified.manifest, options)
    // Not by `checkRest()`: the runtime has these files, so they are hashed here.
    return contents.check(contents.sourceFiles.map((file) => ({ file, copyTo: undefined })))
  }
  if (!content.unverified) throw notHere()
  const { root, names, seen } = content.unverified
  const files = await LinkedFiles.open({ root, names: [...names] }, recorder, { seen: (file) => seen.check(file) })
  for (const name of names) await files.readAll([{ name, firstBytes: 1 }])
  return undefined
}

/** Where the source has the files in a cache on this machine, if it has all of them and says so soon. */
async function cached({ files, manifest }: VerifiedContent): Promise<LocalSource | undefined> {
  if (files.isFile || !files.onDisk) return undefined
  const answer = Promise.resolve(files.onDisk([...manifest.fileNames()], undefined)).then((given) => ({ given }))
  const { given } = (await soon(answer, PATIENCE)) ?? {}
  const local = given && checkedFiles(given).local
  return local?.kind === 'directory' ? local : undefined
}

function notSeen(): ModelSealError {
  return new ModelSealError(
    'FILE_UNREADABLE',
    'Cannot tell whether the model is the one that was loaded: its files could not be listed then.',
  )
}

function notHere(): ModelSealError {
  return new ModelSealError('FILE_NOT_FOUND', 'Cannot hash the files of the model again: they are not on this machine.')
}

function unknownDigest(code: 'MODEL_REVOKED' | 'FILE_REVOKED', cause: unknown): ModelSealError {
  return new ModelSealError(
    code,
    'Cannot tell whether the model is revoked: digests are revoked that were not computed when it was loaded, and it cannot be hashed again.',
    {
      hint: 'Load the model again. For a model that is not on this machine, have the policy or the feed revoke it by SHA-256 or by its root digest.',
      cause,
    },
  )
}
