import type { Manifest } from '../../manifest/manifest.ts'
import { withoutSecrets } from '../../secrets.ts'
import { MAX_FILES, type RecordOf } from '../format/record.ts'

/** More are not recorded, and the last record says so. */
const MOST_FILES = 20_000
/** Longer names count as this long, because they are cut. A line has 64 KiB. */
const MAX_PART_CHARACTERS = 40_000

/** The files of a model with their digests, in as many records as are needed. */
export function modelRecords({ rootDigest, modelName, serialization, resources }: Manifest): RecordOf<'model'>[] {
  const parts: string[][][] = [[]]
  let characters = 0
  for (const { name: given, digest } of resources.slice(0, MOST_FILES)) {
    const name = withoutSecrets(given)
    const length = name.length + digest.length + 8
    if ((parts.at(-1)?.length ?? 0) >= MAX_FILES || characters + length > MAX_PART_CHARACTERS) {
      parts.push([])
      characters = 0
    }
    parts.at(-1)?.push([name, digest])
    characters += length
  }
  const isCut = resources.length > MOST_FILES
  return parts.map((files, index) => ({
    type: 'model',
    time: new Date().toISOString(),
    rootDigest,
    part: index + 1,
    parts: parts.length,
    name: modelName,
    algorithm: serialization.hashType,
    files,
    ...(isCut && index === parts.length - 1 && { cut: true }),
  }))
}
