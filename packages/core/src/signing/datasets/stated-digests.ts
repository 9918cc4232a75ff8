import { ModelSealError, shown } from '../../errors.ts'
import type { BuiltManifest } from '../../manifest/build.ts'
import { ignoring } from '../../manifest/ignores.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { namesForMessage, type SigningWarning, type StatedDigest } from '../doubtful-files.ts'
import type { ModelToSign } from '../models/model-to-sign.ts'
import { MAX_CROISSANT_BYTES, readCroissant, type CroissantFile } from './croissant.ts'

/** The names that Croissant documents usually have. Other content can have the second name, too. */
const DOCUMENTS = ['croissant.json', 'metadata.json'] as const

interface CroissantDocument {
  name: string
  files: readonly CroissantFile[]
  /** Why it could not be read. */
  fault?: ModelSealError
}

/** What the Croissant documents of a dataset state about its files, to be compared with what is signed. */
export class StatedDigests {
  /** The files whose SHA-256 is needed, if the manifest does not have it. */
  readonly alsoWhole: ((name: string) => boolean) | undefined
  readonly #documents: readonly CroissantDocument[]

  private constructor(documents: readonly CroissantDocument[], { method, hashType }: Serialization) {
    this.#documents = documents
    const names = new Set(documents.flatMap(({ files }) => files.flatMap((file) => file.names)))
    const has = (name: string) => names.has(name)
    this.alsoWhole = names.size === 0 || (method === 'files' && hashType === 'sha256') ? undefined : has
  }

  /** Reads the documents of a model that are signed. */
  static async in(model: ModelToSign, serialization: Serialization, signal?: AbortSignal): Promise<StatedDigests> {
    const isIgnored = ignoring(serialization.ignorePaths ?? [])
    const documents: CroissantDocument[] = []
    for (const name of model.isFile ? [] : DOCUMENTS) {
      const document = isIgnored(name) ? undefined : await readDocument(model, name, signal)
      if (document) documents.push(document)
    }
    return new StatedDigests(documents, serialization)
  }

  /** Names each difference between the documents and what was signed. */
  warnings(built: BuiltManifest): SigningWarning[] {
    return this.#documents.flatMap((document) =>
      document.fault ? [unreadable(document.name, document.fault)] : differences(document, built),
    )
  }
}

/** @returns undefined if there is no such document */
async function readDocument(
  model: ModelToSign,
  name: (typeof DOCUMENTS)[number],
  signal: AbortSignal | undefined,
): Promise<CroissantDocument | undefined> {
  try {
    const bytes = await model.smallFile(name, MAX_CROISSANT_BYTES)
    const files = bytes && (await readCroissant(bytes, name, signal))
    return files && { name, files }
  } catch (error) {
    if (!(error instanceof ModelSealError) || !/^(?:JSON_|FILE_TOO_LARGE$)/.test(error.code)) throw error
    return name === 'croissant.json' ? { name, files: [], fault: error } : undefined
  }
}

/** How the files of a Croissant document differ from those that were signed. */
export interface StatedDifferences {
  differing: readonly StatedDigest[]
  /** Names of files that were not signed. */
  missing: readonly string[]
}

/** @param digestOf SHA-256 of a signed file, in lowercase hex */
export function compareStated(
  files: readonly CroissantFile[],
  digestOf: (name: string) => string | undefined,
): StatedDifferences {
  const differing: StatedDigest[] = []
  const missing: string[] = []
  for (const { names, sha256 } of files) {
    const [file, signed] = firstKnown(names, digestOf)
    if (file === undefined || signed === undefined) missing.push(names[0])
    else if (sha256.toLowerCase() !== signed) differing.push({ file, stated: sha256, signed })
  }
  return { differing, missing }
}

function firstKnown(
  names: readonly string[],
  digestOf: (name: string) => string | undefined,
): readonly [file?: string, signed?: string] {
  for (const name of names) {
    const signed = digestOf(name)
    if (signed !== undefined) return [name, signed]
  }
  return []
}

function differences({ name: document, files }: CroissantDocument, built: BuiltManifest): SigningWarning[] {
  const { manifest, whole } = built
  const { differing, missing } = compareStated(files, (name) => {
    return manifest.files.has(name) ? (whole?.get(name) ?? manifest.files.get(name)?.digests[0]) : undefined
  })
  const by = shown(document)
  const named = namesForMessage(differing.map(({ file }) => file))
  return [
    ...warning(
      'CROISSANT_DIGEST',
      differing.map(({ file }) => file),
      {
        message: `${by} states another SHA-256 than that of the signed content of ${named}. Correct ${by}, or restore what it describes, and sign again.`,
        digests: differing,
      },
    ),
    ...warning('CROISSANT_FILE', [...missing], {
      message: `${by} describes ${namesForMessage(missing)}, but no such content was signed. Correct ${by}, or add what is missing, and sign again.`,
    }),
  ]
}

function warning(
  code: SigningWarning['code'],
  files: string[],
  said: Pick<SigningWarning, 'message' | 'digests'>,
): SigningWarning[] {
  return files.length === 0 ? [] : [{ code, files, ...said }]
}

function unreadable(name: string, { message }: ModelSealError): SigningWarning {
  return {
    code: 'CROISSANT_UNREADABLE',
    files: [name],
    message: `The digests in ${shown(name)} were not compared with what was signed. ${message}`,
  }
}
