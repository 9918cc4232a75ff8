import type { ProgressCallback } from '@modelseal/core'
import type { PublicationSigner, PublishedAttestation, UnpublishedAttestation } from '@modelseal/core/publishing'
import type { Signer } from '@modelseal/core/signing'
import type { HuggingFaceOptions } from '../huggingface/hub-settings.ts'

/** What to push, and how. */
export interface PushOptions extends PushSettings {
  /** Who must have signed it. The files must be what that signature says. */
  readonly signedBy: PublicationSigner
  /** Path of the bundle. Default: `model.sig` in the directory, `FILE.sig` beside a file; by policy, where a load looks. */
  readonly signature?: string | undefined
}

/** How to push a model. */
export interface PushSettings {
  /**
   * What is read back before the push succeeds. `listing` (default): names, sizes and the SHA-256 digests that the hub or
   * registry states, the bundle, and whatever has no such digest. `full`: every byte.
   */
  readonly verify?: 'listing' | 'full' | undefined
  /** For Hugging Face. */
  readonly huggingFace?: HuggingFacePush | undefined
  /** For a registry: signs the manifest as cosign does, so that `cosign verify` accepts it. A key on P-256. */
  readonly cosignSigner?: Signer | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes hashed, sent or read back so far, and in all: from the beginning for each of these steps. */
  readonly onProgress?: ProgressCallback | undefined
}

/** How to push to Hugging Face. */
export interface HuggingFacePush extends HuggingFaceOptions {
  /** Title of the commit. Default: `Upload a signed model`. */
  readonly message?: string | undefined
  /** Opens a pull request instead of committing to the branch. */
  readonly createPr?: boolean | undefined
  /** Creates the repository if it does not exist. */
  readonly createRepo?: boolean | undefined
  /** Makes a repository that is created private. Default: as its owner has set. */
  readonly private?: boolean | undefined
  /** Deletes files that are not signed, in the same commit. Without it, such files refuse the push. */
  readonly delete?: boolean | undefined
}

/** A model that is served as it was signed. */
export interface PushedModel {
  /** With the commit or digest: what to load, and what a policy can pin. */
  readonly url: string
  /** The commit, or the digest of the manifest. */
  readonly revision: string
  /** The branch or tag. */
  readonly requested: string
  /** URL of the pull request, if one was opened. */
  readonly pullRequest?: string | undefined
  /** SHA-256 of the signed digests, in lowercase hex. */
  readonly rootDigest: string
  /** Each signer in one line; empty if this process signed. */
  readonly signers: readonly string[]
  /** The files of the model. `isSent` is false for what the registry had; undefined where the client of the hub does not say. */
  readonly uploaded: readonly UploadedFile[]
  /** Where each bundle is. */
  readonly bundles: readonly string[]
  /** The path on this machine of each of these bundles, which may have another name there. */
  readonly bundleFiles: readonly string[]
  /** The attestations that are served beside it: their predicate types, the SHA-256 of their statements (hex), and where they were found. */
  readonly attestations: readonly Pick<PublishedAttestation, 'type' | 'digest' | 'path'>[]
  /** Attestations of the model on this machine that were not published, with the reason. */
  readonly leftOut: readonly UnpublishedAttestation[]
  /** What was read back. */
  readonly checked: { readonly full: boolean; readonly files: number; readonly read: number; readonly bytes: number }
  /** Names of files that were deleted. */
  readonly deleted: readonly string[]
}

export interface UploadedFile {
  readonly name: string
  /** In bytes. */
  readonly size: number
  readonly isSent?: boolean | undefined
}
