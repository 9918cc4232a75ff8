import { kindOf } from '../any-realm.ts'
import { ModelSealError, shown, type FileProblem } from '../errors.ts'
import { nextTurn } from '../source/aborted.ts'
import type { ModelFiles, SourceEntry } from '../source/model-source.ts'
import { checkedEntry } from '../source/answers/source-answers.ts'
import type { SourceReader } from '../source/answers/source-reader.ts'
import { inTurns } from '../source/turns.ts'
import { ignoredOnVerifying, matchNames, type NameOptions } from './find-signed.ts'
import { ignoring } from './ignores.ts'
import type { Manifest } from './manifest.ts'
import { isOfOtherModel, mismatch, otherModelHint } from './mismatch.ts'
import { isWithin, nameFault } from './names.ts'

/** More files than any model has. Keeps an endless listing from filling the memory. */
const MAX_FILES = 1_000_000
const SHA256 = /^[0-9a-f]{64}$/
/** In UTF-16 code units. A longer version counts as none. */
const MAX_VERSION = 1_024
/** Entries looked at between two turns of the event loop. */
const ENTRIES_PER_TURN = 2_000

/**
 * Compares the listing of a source with the names in a manifest, as for a directory (OMS 8.4, steps 6 and 9).
 *
 * @returns the entries of signed files by name; empty if the source cannot list its files
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED` (with all `problems`), `SOURCE_LISTING`, and what listing throws
 */
export async function compareListing(
  files: ModelFiles,
  reader: SourceReader,
  manifest: Manifest,
  options: NameOptions,
): Promise<ReadonlyMap<string, SourceEntry>> {
  if (files.isFile || !files.list) return new Map()
  const found = await listed(files, reader, options.signal)
  const isIgnored = ignoring(ignoredOnVerifying(manifest, options))
  const { mayBeUnsigned = () => false, ignoreUnsignedFiles = false } = options
  const { unsigned, missing, files: signed } = await inTurns(matchNames(found, manifest), options.signal)
  const problems = missing.map((file): FileProblem => ({ code: 'FILE_MISSING', file }))
  for (const { name, size } of ignoreUnsignedFiles ? [] : unsigned) {
    // OMS 6.3.2: an empty file has no shards, so a signed one cannot be told from an added one.
    const traceless = manifest.serialization.method === 'shards' && size === 0
    if (!traceless && !isWithin(name, (part) => isIgnored(part) || mayBeUnsigned(part)))
      problems.push({ code: 'FILE_UNSIGNED', file: name })
  }
  if (problems.length > 0) {
    const isOther = isOfOtherModel(
      manifest,
      files.name,
      signed.map(({ name }) => name),
    )
    throw mismatch(files.path, problems, () => undefined, isOther ? otherModelHint(manifest) : undefined)
  }
  return new Map(signed.map((entry) => [entry.name, entry]))
}

/**
 * @param maxFiles for tests
 * @throws {@link ModelSealError} `SOURCE_LISTING`
 */
export async function listed(
  files: ModelFiles,
  reader: SourceReader,
  signal: AbortSignal | undefined,
  maxFiles = MAX_FILES,
): Promise<SourceEntry[]> {
  const entries: SourceEntry[] = []
  const list = () => files.list?.(signal) ?? []
  for await (const { name, size, sha256, version } of reader.each('listing of the model', list, checkedEntry)) {
    const fault = typeof name === 'string' ? nameFault(name) : 'it is not text'
    if (fault !== undefined)
      throw unusable(`an invalid file name (${fault})`, typeof name === 'string' ? name : kindOf(name))
    if (entries.length >= maxFiles) throw unusable(`more than ${maxFiles} files`, files.path)
    if (entries.length % ENTRIES_PER_TURN === 0) await nextTurn(signal)
    entries.push({
      name,
      size: Number.isSafeInteger(size) && Number(size) >= 0 ? size : undefined,
      sha256: typeof sha256 === 'string' && SHA256.test(sha256) ? sha256 : undefined,
      version: typeof version === 'string' && version.length <= MAX_VERSION ? version : undefined,
    })
  }
  return entries
}

function unusable(found: string, file: string): ModelSealError {
  return new ModelSealError('SOURCE_LISTING', `Cannot load the model: its source lists ${found}.`, {
    file,
    hint: `Do not load this copy. Contact the operator of the source that the model is loaded from (${shown(file)}).`,
  })
}
