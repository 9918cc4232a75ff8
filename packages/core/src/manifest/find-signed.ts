import { isAbsolute, relative, sep } from 'node:path'
import { ModelSealError, shown, withHint, type ErrorCode, type FileProblem } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { CLAIMS_NAME } from '../source/claims-name.ts'
import { findFiles, NAMES_PER_STEP, type FindOptions } from '../source/local/find-files.ts'
import { findNamed } from '../source/local/find-named.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { statesOf, type FoundFile } from '../source/local/source-file.ts'
import { inTurns, type Steps } from '../source/turns.ts'
import { GIT_PATHS, ignoring } from './ignores.ts'
import { isWithin } from './names.ts'
import { UNNAMED_FILE, type Manifest } from './manifest.ts'
import { isOfOtherModel, mismatch, MOST_PROBLEMS, notSigned, otherModelHint } from './mismatch.ts'
import { contentIn } from './plainer-cause.ts'

/** Which names to compare. */
export interface NameOptions {
  /** Names to leave out in addition to those that the manifest records, relative to the model root. */
  ignored?: readonly string[] | undefined
  /** False to compare `.git` and related files like any others (default: true). */
  ignoreGitPaths?: boolean | undefined
  /** True to ignore files that the manifest does not name (default: false). */
  ignoreUnsignedFiles?: boolean | undefined
  /** True for a name to ignore together with everything below it, unless the manifest names it (default: none). */
  mayBeUnsigned?: ((name: string) => boolean) | undefined
  /** Names of signed files, or of directories of signed files, if only these must be checked. */
  only?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

/** The files of a model that its manifest names. */
interface FoundContents {
  files: FoundFile[]
  /** The position of each file in the manifest, counted from 0. */
  places: number[]
}

/**
 * Finds the files of a model and compares their names with those in the manifest (OMS 8.4, steps 6 and 9).
 *
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED` (with their `problems`), `FILE_NOT_SIGNED`, and what
 * {@link findFiles} throws
 */
export async function findSigned(source: LocalSource, manifest: Manifest, given: NameOptions): Promise<FoundContents> {
  const options = withoutPrototype(given)
  const selected = selectNames(manifest, options.only)
  const ignored = ignoring(ignoredOnVerifying(manifest, options))
  const { signal, ignoreUnsignedFiles } = options
  // OMS 6.1.1: the signature records whether to follow links; the verifier's own setting does not count.
  const finding = { ignored, followLinks: manifest.serialization.allowSymlinks, signal }
  const found = selected
    ? await findNamed(source, selected, { ...finding, ignored: () => false })
    : ignoreUnsignedFiles
      ? await findNamed(source, manifest.files.keys(), finding)
      : await findAll(source, manifest, finding, options.mayBeUnsigned)
  const unnamed = source.kind === 'file' ? manifest.placeOf(UNNAMED_FILE) : undefined
  const { unsigned, missing, ...signed } = await inTurns(matchNames(found, manifest, unnamed), signal)
  const problems: FileProblem[] = []
  if (!ignoreUnsignedFiles && !selected) {
    for (const name of await withTrace(unsigned, manifest, options))
      problems.push({ code: 'FILE_UNSIGNED', file: name })
  }
  for (const name of missing) if (selected?.has(name) !== false) problems.push({ code: 'FILE_MISSING', file: name })
  if (problems.length > 0) {
    const isOther =
      !selected &&
      isOfOtherModel(
        manifest,
        source.name,
        signed.files.map(({ name }) => name),
      )
    throw mismatch(source.path, problems, contentIn(source), isOther ? otherModelHint(manifest) : undefined)
  }
  return signed
}

/** All files that must be signed, and those that are signed although they need not be. */
async function findAll(
  source: LocalSource,
  manifest: Manifest,
  finding: FindOptions,
  given: NameOptions['mayBeUnsigned'],
): Promise<FoundFile[]> {
  const mayBeUnsigned = given ?? (() => false)
  const leftAlone = (name: string) => finding.ignored(name) || mayBeUnsigned(name)
  let directories: ReadonlySet<string> | undefined
  const isDirectory = (name: string) => (directories ??= directoriesOf(manifest.files.keys())).has(name)
  const found = await findFilesOr(source, manifest, {
    ...finding,
    ignored: leftAlone,
    // What reads like a signed name is refused even so.
    mayBeOther: (name) => mayBeUnsigned(name) && !manifest.files.has(name) && !isDirectory(name),
    // Signing tools disagree on such links. Nothing behind the link can be read under its name, and everything behind
    // it is compared under its own name, unless that name is ignored.
    passOver: (name, target) => !isDirectory(name) && !isWithin(target, leftAlone),
  })
  if (!given) return found
  const names = [...manifest.files.keys()].filter((name) => isWithin(name, mayBeUnsigned))
  return names.length === 0 || source.kind === 'file' ? found : [...found, ...(await findNamed(source, names, finding))]
}

/** Errors about files that no model may contain. They fail the check even if the files are not signed. */
const IN_THE_WAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SYMLINK_REFUSED',
  'FILE_SPECIAL',
  'FILE_UNREADABLE',
  'FILE_NAME',
])

/** Like {@link findFiles}, but adds a hint to a refusal if a rule could permit the file to be unsigned. */
async function findFilesOr(source: LocalSource, { files }: Manifest, options: FindOptions): Promise<FoundFile[]> {
  try {
    return await findFiles(source, options)
  } catch (error) {
    if (!(error instanceof ModelSealError) || !IN_THE_WAY.has(error.code) || error.file === undefined) throw error
    const name = isAbsolute(error.file) ? relative(source.path, error.file).split(sep).join('/') : error.file
    const isSigned = files.has(name) || directoriesOf(files.keys()).has(name)
    if (isSigned || name === '' || name.startsWith('..')) throw error
    const advice = `If the model does not need ${shown(name)}, list it in the rule under "require.unsigned".`
    throw withHint(error, error.hint === undefined ? advice : `${error.hint} ${advice}`)
  }
}

/** All parent directories of these names. */
function directoriesOf(names: Iterable<string>): ReadonlySet<string> {
  const directories = new Set<string>()
  for (const name of names) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const directory = name.slice(0, end)
      // Its own parents are already known.
      if (directories.has(directory)) break
      directories.add(directory)
    }
  }
  return directories
}

export function ignoredOnVerifying(
  { files, serialization }: Manifest,
  { ignored = [], ignoreGitPaths = true }: NameOptions,
): string[] {
  // OMS 6.2.1: the recorded paths, combined with the default exclusions. Signed files are always checked.
  const signed = new Set<string>()
  // All Git paths begin like this, and few other names do.
  for (const name of files.keys()) if (name.startsWith('.git')) signed.add(topOf(name))
  const gitPaths = ignoreGitPaths ? GIT_PATHS.filter((path) => !signed.has(path)) : []
  return [...(serialization.ignorePaths ?? []), ...ignored, ...gitPaths]
}

/** The first component of a name. */
function topOf(name: string): string {
  const end = name.indexOf('/')
  return end < 0 ? name : name.slice(0, end)
}

/** @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a name that selects nothing */
export function selectNames(manifest: Manifest, only: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (only === undefined) return undefined
  const names = new Set<string>()
  for (const wanted of only) {
    const chosen = [...manifest.files.keys()].filter((name) => name === wanted || name.startsWith(`${wanted}/`))
    if (chosen.length === 0) throw notSigned(wanted)
    for (const name of chosen) names.add(name)
  }
  return names
}

/** The signed and unsigned files of a model, and the signed names that are missing. */
interface MatchedNames<F> {
  files: F[]
  places: number[]
  unsigned: F[]
  missing: string[]
}

/** @param unnamed position in the manifest of a single file without a signed name, which may have any name on disk */
export function* matchNames<F extends { name: string }>(
  found: readonly F[],
  manifest: Manifest,
  unnamed?: number,
): Steps<MatchedNames<F>> {
  const listed = manifest.files
  const matched: MatchedNames<F> = { files: [], places: [], unsigned: [], missing: [] }
  const isFound = new Uint8Array(listed.size)
  let seen = 0
  for (const file of found) {
    if (++seen % NAMES_PER_STEP === 0) yield
    const place = unnamed ?? manifest.placeOf(file.name)
    if (place === undefined) {
      // Attestations are added after signing. Nobody gets this file as one of the model.
      if (file.name !== CLAIMS_NAME) matched.unsigned.push(file)
      // A directory that changes while it is read can list a file twice.
    } else if (!isFound[place]) {
      isFound[place] = 1
      matched.files.push(file)
      matched.places.push(place)
    }
  }
  if (unnamed === undefined && matched.files.length < listed.size) {
    let place = 0
    for (const name of listed.keys()) {
      if (!isFound[place++]) matched.missing.push(name)
      if (place % NAMES_PER_STEP === 0) yield
    }
  }
  return matched
}

/** The names of as many files as a refusal lists. OMS 6.3.2: an empty file has no shards, so a signed one cannot be told from an added one. */
async function withTrace(
  files: readonly FoundFile[],
  { serialization: { method } }: Manifest,
  { signal }: NameOptions,
): Promise<string[]> {
  const names: string[] = []
  for (let start = 0; start < files.length && names.length < MOST_PROBLEMS; start += MOST_PROBLEMS) {
    const some = files.slice(start, start + MOST_PROBLEMS)
    const traced =
      method === 'files' ? some : (await statesOf(some, signal)).filter(({ identity }) => identity.size > 0)
    names.push(...traced.map(({ name }) => name))
  }
  return names
}
