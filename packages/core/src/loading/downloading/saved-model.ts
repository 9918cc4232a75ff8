import { join } from 'node:path'
import type { FoundBundle } from '../../bundle/bundle.ts'
import type { Verdict } from '../../results.ts'
import { CLAIMS_NAME } from '../../source/claims-name.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import { writeFileWhole } from '../../source/write-file.ts'
import type { VerifiedFiles } from '../files/verified-files.ts'
import { TargetDirectory } from './target-directory.ts'

/** The bundles of a model that was saved. */
export interface SavedModel {
  /** Name of the bundle in the directory: `model.sig`, or for a single file, its name with `.sig`. */
  readonly signature: string
  /** All bundles on which the decision depends. The first is the one in the directory. */
  readonly bundles: readonly Uint8Array[]
  /** Number of attestations about the model beside it, in `claims.jsonl`. */
  readonly attestations: number
}

/** A model that was accepted, and is to be saved. */
interface ModelToSave {
  readonly files: VerifiedFiles
  readonly model: ModelFiles
  readonly bundles: readonly FoundBundle[]
  readonly verdict: Verdict
  /** The attestations about it, as lines, after those in a file that is there; read once the files are saved. */
  readonly attestations: (there: string | undefined) => Promise<Uint8Array>
}

/** Where a model is saved. */
export interface SavePlace {
  readonly directory: string
  /** A directory that this one replaces: attestations about the model that somebody added there are kept. */
  readonly replaced?: string | undefined
}

/**
 * Saves all signed files in a directory, and beside them the bundle and the attestations of the model.
 *
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, and what reading the files and the attestations throws
 */
export async function saveModel(
  { directory, replaced }: SavePlace,
  { files, model, attestations, ...judged }: ModelToSave,
): Promise<SavedModel> {
  const target = await TargetDirectory.at(directory)
  try {
    await files.save(await target.targets(files.names))
    const bundles = countedBundles(judged)
    const signature = model.isFile ? `${model.name}.sig` : 'model.sig'
    const [first] = bundles
    // A file of this name that was signed is content.
    if (first && !files.names.includes(signature)) await writeFileWhole(target.fileAt(signature), first, BUNDLE)
    const claims = model.isFile ? `${model.name}.${CLAIMS_NAME}` : CLAIMS_NAME
    const there = replaced === undefined ? undefined : join(replaced, claims)
    // A file of this name that was signed is content.
    const lines = files.names.includes(claims) ? new Uint8Array() : await attestations(there)
    if (lines.length > 0) await writeFileWhole(target.fileAt(claims), lines, ATTESTATIONS)
    await target.finish()
    return { signature, bundles, attestations: lines.filter((byte) => byte === LINE_FEED).length }
  } finally {
    target.end()
  }
}

const LINE_FEED = 0x0a
const ATTESTATIONS = { what: 'file of attestations', failed: 'FILE_WRITE_FAILED', mode: 0o666 } as const
const BUNDLE = { what: 'signature bundle', failed: 'FILE_WRITE_FAILED', mode: 0o666 } as const

function countedBundles({ bundles, verdict }: Pick<ModelToSave, 'bundles' | 'verdict'>): Uint8Array[] {
  const counted = new Set(verdict.bundles.filter((bundle) => bundle.counted).map(({ path }) => path))
  return bundles.flatMap((found) => (counted.has(found.path) && 'bundle' in found ? (found.bytes ?? []) : []))
}
