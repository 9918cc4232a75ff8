import { at } from '../at.ts'
import { hashWholeFiles } from '../hashing/hash-whole-files.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { Contents, type ContentsOptions, type HashedAmount } from './contents.ts'
import { findSigned } from './find-signed.ts'
import type { Manifest } from './manifest.ts'
import { digestProblem, mismatch } from './mismatch.ts'
import { contentIn } from './plainer-cause.ts'

/**
 * Checks a whole model once, for a caller that reads none of its files (OMS 8.4, steps 6 to 9).
 *
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH` (each with its `problems`), and
 * what finding and hashing files throws
 */
export async function checkContents(
  source: LocalSource,
  manifest: Manifest,
  given: ContentsOptions,
): Promise<HashedAmount> {
  const options = withoutPrototype(given)
  const { method, hashType } = manifest.serialization
  if (method === 'shards' || options.further) {
    const contents = await Contents.compareNames(source, manifest, options)
    await contents.checkRest()
    return contents.checked
  }
  const { files, places } = await findSigned(source, manifest, options)
  const { digests, bytes } = await hashWholeFiles(files, { ...options, hashType })
  const problems = files.flatMap(({ name }, index) => {
    const { digest } = at(manifest.resources, at(places, index))
    return digestProblem(name, hashType, [digest], [at(digests, index)]) ?? []
  })
  if (problems.length > 0) throw mismatch(source.path, problems, contentIn(source))
  return { files: files.length, bytes }
}
