import type { FoundBundle } from '../../bundle/bundle.ts'
import type { ModelSealError } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import type { ModelFiles, ModelPlace } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import type { Judging } from '../judging/judging.ts'
import type { OpenOptions } from '../open-options.ts'
import type { LoadedContent } from './loaded-content.ts'

/** What a load remembers so that one policy can judge it again without reading the model. */
export interface JudgedLoad {
  by: JudgedBy
  place: ModelPlace
  stated: Pick<OpenOptions, 'url' | 'format' | 'audit'>
  /** What the source stated about the model. */
  revision: Pick<OpenedSource, 'revision' | 'requested' | 'packageUrl'>
  /** The bundles that were read; undefined for an unverified model without any. */
  found: FoundModel | undefined
  /** Whether this policy accepted a signature. Otherwise it loaded the model unverified, and only its revocations hold. */
  isAccepted: boolean
  /** What was verified, by this policy or another one; undefined if the model was loaded unverified. */
  verified: VerifiedContent | undefined
  /** The paths that the rule allows to be unsigned, for an unverified model. */
  mayBeUnsigned: Judging['mayBeUnsigned']
  signature: string | undefined
  content: LoadedContent
  /** Opens the source of the model once more. */
  reopen: () => Promise<OpenedSource>
}

export interface VerifiedContent {
  manifest: Manifest
  files: ModelFiles
  local: LocalSource | undefined
  /** The attestations that were read, or why they cannot be; undefined if they were not needed. */
  attestations: readonly FoundBundle[] | ModelSealError | undefined
}
