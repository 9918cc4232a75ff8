import { isAbsolute, relative, sep } from 'node:path'
import { ModelSealError, shown, withHint, type ErrorCode, type FileProblem } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { findFiles, NAMES_PER_STEP, type FindOptions } from '../source/local/find-files.ts'
import { findNamed } from '../source/local/find-named.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { statesOf, type FoundFile } from '../source/local/source-file.ts'
import { inTurns, type Steps } from '../source/turns.ts'
import { GIT_PATHS, ignoring } from './ignores.ts'
import { isWithin } from './names.ts'
import { UNNAMED_FILE, type Manifest } from './manifest.ts'
import { mismatch, MOST_PROBLEMS, notSigned } from './mismatch.ts'
import { contentIn } from './plainer-cause.ts'

/** Which names are compared. */
export interface NameOptions {
  /** Names left out beside those that the manifest records, relative to the model root. */
  ignored?: readonly string[] | undefined
  /** False to have `.git` and its like compared as any other file. Default true. */
  ignoreGitPaths?: boolean | undefined
  /** True to leave files alone that the manifest does not name. Default false. */
  ignoreUnsignedFiles?: boolean | undefined
  /** True for a name that is left alone, with all below it, unless the manifest names it. Default: none is. */
  mayBeUnsigned?: ((name: string) => boolean) | undefined
  /** Names of signed files, or of directories of such, when only these are to be checked. */
  only?: readonly string[] | undefined
  signal?: AbortSignal | undefined
}

/** The files of a model that its manifest names. */
export interface SignedFiles {
  files: FoundFile[]
  /** Of each the number in the manifest, counted from 0. */
  places: number[]
}

/**
 * Finds the files of a model, and compares their names with those of the manifest (OMS 8.4, steps 6 and 9).
 *
 * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED` (with their `problems`), `FILE_NOT_SIGNED`, and what
 * {@link findFiles} throws
 */
export async function findSigned(source: LocalSource, manifest: Manifest, given: NameOptions): Promise<SignedFiles> {
  const options = withoutPrototype(given)
  const selected = selectNames(manifest, options.only)
  const ignored = ignoring(ignoredOnVerifying(manifest, options))
  const { signal, ignoreUnsignedFiles } = options
  // OMS 6.1.1: the policy that the signature records, whatever the verifier would allow.
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
  if (problems.length > 0) throw mismatch(source.path, problems, contentIn(source))
  return signed
}

/** All that has to be signed, and what is signed although it need not be. */
async function findAll(
  source: LocalSource,
  manifest: Manifest,
  finding: FindOptions,
  mayBeUnsigned: NameOptions['mayBeUnsigned'] = () => false,
): Promise<FoundFile[]> {
  const leftAlone = (name: string) => finding.ignored(name) || mayBeUnsigned(name)
  let directories: ReadonlySet<string> | undefined
  const found = await findFilesOr(source, manifest, {
    ...finding,
    ignored: leftAlone,
    // The tools that sign do not agree on such links. Nothing in there is handed out by the link's name; and by its own
    // name it is compared, unless that is left alone.
    passOver: (name, target) =>
      !(directories ??= directoriesOf(manifest.files.keys())).has(name) && !isWithin(target, leftAlone),
  })
  const names = [...manifest.files.keys()].filter((name) => isWithin(name, mayBeUnsigned))
  return names.length === 0 || source.kind === 'file' ? found : [...found, ...(await findNamed(source, names, finding))]
}

/** Files that cannot be in a model at all are in the way of the check, even where nobody signed them. */
const IN_THE_WAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['SYMLINK_REFUSED', 'FILE_SPECIAL', 'FILE_UNREADABLE'])

/** As {@link findFiles}, but refusals say so where a rule could let what is in the way lie unsigned. */
async function findFilesOr(source: LocalSource, { files }: Manifest, options: FindOptions): Promise<FoundFile[]> {
  try {
    return await findFiles(source, options)
  } catch (error) {
    if (!(error instanceof ModelSealError) || !IN_THE_WAY.has(error.code) || error.file === undefined) throw error
    const name = isAbsolute(error.file) ? relative(source.path, error.file).split(sep).join('/') : error.file
    const isSigned = files.has(name) || directoriesOf(files.keys()).has(name)
    if (isSigned || name === '' || name.startsWith('..')) throw error
    const mend = `If the model does not need ${shown(name)}, list it in the rule under "require.unsigned".`
    throw withHint(error, error.hint === undefined ? mend : `${error.hint} ${mend}`)
  }
}

/** All directories that these names lead through. */
function directoriesOf(names: Iterable<string>): ReadonlySet<string> {
  const directories = new Set<string>()
  for (const name of names) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const directory = name.slice(0, end)
      // Those above it are known, too.
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
  // OMS 6.2.1: the recorded paths, combined with the default exclusions; but what was signed is checked.
  const signed = new Set<string>()
  // All git paths begin like this, and few other names do.
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
function selectNames(manifest: Manifest, only: readonly string[] | undefined): ReadonlySet<string> | undefined {
  if (only === undefined) return undefined
  const names = new Set<string>()
  for (const wanted of only) {
    const chosen = [...manifest.files.keys()].filter((name) => name === wanted || name.startsWith(`${wanted}/`))
    if (chosen.length === 0) throw notSigned(wanted)
    for (const name of chosen) names.add(name)
  }
  return names
}

/** What of a model is signed, what is not, and which signed names are missing. */
interface MatchedNames<F> {
  files: F[]
  places: number[]
  unsigned: F[]
  missing: string[]
}

/** @param unnamed the place in the manifest of a single file without a name, whatever it is called now */
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
    if (place === undefined) matched.unsigned.push(file)
    // A directory that changes while it is read may name a file twice.
    else if (!isFound[place]) {
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

/** The names of as many as a refusal lists. OMS 6.3.2: an empty file has no shard, so nothing tells a signed one from an added one. */
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
