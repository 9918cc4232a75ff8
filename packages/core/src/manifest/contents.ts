import { ModelSealError, shown, type FileProblem } from '../errors.ts'
import { at, workOf } from '../hashing/batches.ts'
import { hashFiles, type ProgressCallback } from '../hashing/hash-files.ts'
import type { HashJob, HashResult } from '../hashing/hash-file.ts'
import { listFiles, type LocalSource, type SourceFile } from '../source/local-source.ts'
import { GIT_PATHS, ignoring } from './ignores.ts'
import { UNNAMED_FILE, type ListedFile, type Manifest } from './manifest.ts'
import { compareCodePoints } from './order.ts'
import { rangesOf, type Serialization } from './serialization.ts'

export interface ContentsOptions {
  /** Names left out beside those that the manifest records, relative to the model root. */
  ignored?: readonly string[] | undefined
  /** False to have `.git` and its like compared as any other file. Default true. */
  ignoreGitPaths?: boolean | undefined
  /** True to leave files alone that the manifest does not name. Default false. */
  ignoreUnsignedFiles?: boolean | undefined
  /** Names of signed files, or of directories of such, when only these are to be checked. */
  only?: readonly string[] | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

/** How much of a model was found equal to its manifest. */
export interface HashedAmount {
  files: number
  /** Hashed for that. */
  bytes: number
}

/** Where one file of a model is to be read from, from now on. */
export interface Placement {
  /** The same file, by another path or an open descriptor; or the listed one, where it is copied. */
  file: SourceFile
  /** Path of a new file that gets a copy of it. */
  copyTo?: string
}

/**
 * A model on disk beside a manifest that it is to be equal to. Names are compared when this is
 * made, before anything is hashed; contents are compared by {@link read} and {@link checkRest},
 * each file once.
 */
export class Contents {
  readonly #source: LocalSource
  readonly #manifest: Manifest
  readonly #files: Map<string, SourceFile>
  /** The files as they were listed. */
  readonly listed: readonly SourceFile[]
  readonly #options: ContentsOptions
  readonly #totalBytes: number
  readonly #checked = new Set<string>()
  #takenOver = false
  #checkedBytes = 0
  #reportedBytes = 0

  /**
   * Lists the model and compares names (OMS 8.4, steps 6 and 9).
   *
   * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_UNSIGNED` (with all `problems`), and what
   * listing throws
   */
  static async compareNames(source: LocalSource, manifest: Manifest, options: ContentsOptions): Promise<Contents> {
    const selected = selectNames(manifest, options.only)
    const ignored = ignoring(ignoredOnVerifying(manifest, options))
    const found = await listFiles(source, {
      ignored: selected ? (name) => !selected.leadsTo(name) : ignored,
      // OMS 6.1.1: the policy that the signature records, whatever the verifier would allow.
      followLinks: manifest.serialization.allowSymlinks,
      signal: options.signal,
    })
    return new Contents(source, manifest, matchNames(source, manifest, found, options, selected), options)
  }

  private constructor(
    source: LocalSource,
    manifest: Manifest,
    files: Map<string, SourceFile>,
    options: ContentsOptions,
  ) {
    this.#source = source
    this.#manifest = manifest
    this.#files = files
    this.listed = [...files.values()]
    this.#options = options
    this.#totalBytes = [...files.values()].reduce((sum, { identity }) => sum + identity.size, 0)
  }

  /** The names that can be read: those of the manifest. */
  get names(): string[] {
    return [...this.#files.keys()]
  }

  /** The files that the names stand for, as they are read now. */
  get sourceFiles(): readonly SourceFile[] {
    return [...this.#files.values()]
  }

  /** How the manifest was made. */
  get serialization(): Readonly<Serialization> {
    return this.#manifest.serialization
  }

  /** What has been found equal so far. */
  get checked(): HashedAmount {
    return { files: this.#takenOver ? this.#files.size : this.#checked.size, bytes: this.#checkedBytes }
  }

  /**
   * Reads one file into memory; the buffer is the very one that was hashed, and it is the caller's.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, and what hashing throws
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await this.readAll([name])
    return bytes ?? new Uint8Array()
  }

  /** As {@link read}, for files that are hashed at the same time. */
  async readAll(names: readonly string[]): Promise<Uint8Array<ArrayBuffer>[]> {
    const placements = names.map((name) => ({ file: this.file(name) }))
    const results = await this.#hash(placements, true)
    return results.map(({ bytes }) => new Uint8Array(bytes ?? new ArrayBuffer(0)))
  }

  /** @throws {@link ModelSealError} `FILE_NOT_SIGNED` */
  file(name: string): SourceFile {
    const file = this.#files.get(name)
    if (!file) throw notSigned(name)
    return file
  }

  /** True where the file was found equal to the manifest. */
  isChecked(name: string): boolean {
    return this.#takenOver || this.#checked.has(name)
  }

  /**
   * Checks files where they are placed; those that are copied, while they are.
   *
   * @throws {@link ModelSealError} `FILE_MISMATCH` with all `problems`, and what hashing throws
   */
  async check(placements: readonly Placement[]): Promise<void> {
    await this.#hash(placements, false)
  }

  /**
   * Counts every file as found equal without reading it: somebody who is trusted knows that it is.
   * What is read all the same is hashed all the same.
   */
  takeOver(): void {
    this.#takenOver = true
    this.#reported(this.#totalBytes)
    this.#options.onProgress?.(this.#reportedBytes, this.#totalBytes)
  }

  /** From now on the file is read there: it is the one that was checked, or a copy of it. */
  replace(file: SourceFile): void {
    this.#files.set(file.name, file)
  }

  /**
   * Checks every file that {@link read} has not checked yet (OMS 8.4, steps 7 and 8).
   *
   * @throws {@link ModelSealError} `FILE_MISMATCH` with all `problems`, and what hashing throws
   */
  async checkRest(): Promise<void> {
    await this.#hash(
      [...this.#files.values()].filter(({ name }) => !this.isChecked(name)).map((file) => ({ file })),
      false,
    )
  }

  async #hash(placements: readonly Placement[], keep: boolean): Promise<HashResult[]> {
    const files = placements.map(({ file }) => file)
    const { serialization } = this.#manifest
    const before = this.#checkedBytes
    const { onProgress, signal } = this.#options
    const problems: FileProblem[] = []
    // A size that differs from the shards' sum is a mismatch that needs no hashing.
    if (serialization.method === 'shards') for (const file of files) this.#compareSize(file, problems)
    if (problems.length > 0) throw mismatch(this.#source, problems)

    const jobs = placements.map(({ file, copyTo }): HashJob => {
      const ranges = rangesOf(file.identity.size, serialization)
      return copyTo === undefined ? { file, ranges, keep } : { file, ranges, keep, copyTo }
    })
    const results = await hashFiles(jobs, {
      hashType: serialization.hashType,
      modelWork: workOf(this.#files.size, this.#totalBytes),
      signal,
      onProgress: onProgress && ((done) => onProgress(this.#reported(before + done), this.#totalBytes)),
    })
    files.forEach((file, index) => this.#compareDigests(file, at(results, index).digests, problems))
    if (problems.length > 0) throw mismatch(this.#source, problems)
    for (const file of files) this.#count(file)
    return results
  }

  #count({ name, identity }: SourceFile): void {
    if (this.#checked.has(name)) return
    this.#checked.add(name)
    this.#checkedBytes += identity.size
  }

  /** Files are read at the same time, and more than once: what is reported only grows. */
  #reported(bytes: number): number {
    this.#reportedBytes = Math.max(this.#reportedBytes, Math.min(bytes, this.#totalBytes))
    return this.#reportedBytes
  }

  #compareSize(file: SourceFile, problems: FileProblem[]): void {
    const expected = this.#listed(file).size
    if (expected === undefined || expected === file.identity.size) return
    problems.push({
      code: 'FILE_MISMATCH',
      file: file.name,
      expected: `${expected} bytes`,
      found: `${file.identity.size} bytes`,
    })
  }

  #compareDigests(file: SourceFile, found: readonly string[], problems: FileProblem[]): void {
    const { digests: expected } = this.#listed(file)
    const problem = digestProblem(file.name, this.#manifest.serialization.hashType, expected, found)
    if (problem) problems.push(problem)
  }

  #listed({ name }: SourceFile): ListedFile {
    const listed = this.#manifest.files.get(name) ?? this.#manifest.files.get(UNNAMED_FILE)
    if (!listed) throw new RangeError(`no ${name} in the manifest`)
    return listed
  }
}

function ignoredOnVerifying(
  { files, serialization }: Manifest,
  { ignored = [], ignoreGitPaths = true }: ContentsOptions,
): string[] {
  // OMS 6.2.1: the recorded paths, combined with the default exclusions; but what was signed is checked.
  const signed = new Set<string>()
  for (const name of files.keys()) signed.add(topOf(name))
  const gitPaths = ignoreGitPaths ? GIT_PATHS.filter((path) => !signed.has(path)) : []
  return [...(serialization.ignorePaths ?? []), ...ignored, ...gitPaths]
}

/** The first component of a name. */
function topOf(name: string): string {
  const end = name.indexOf('/')
  return end < 0 ? name : name.slice(0, end)
}

/** Some of the files that a manifest names. */
interface Selection {
  has: (name: string) => boolean
  /** True for a selected file, and for every directory on the way to one. */
  leadsTo: (name: string) => boolean
}

/** @throws {@link ModelSealError} `FILE_NOT_SIGNED` for a name that selects nothing */
function selectNames(manifest: Manifest, only: readonly string[] | undefined): Selection | undefined {
  if (only === undefined) return undefined
  const names = new Set<string>()
  for (const wanted of only) {
    const chosen = [...manifest.files.keys()].filter((name) => name === wanted || name.startsWith(`${wanted}/`))
    if (chosen.length === 0) throw notSigned(wanted)
    for (const name of chosen) names.add(name)
  }
  const directories = new Set<string>()
  for (const name of names) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1))
      directories.add(name.slice(0, end))
  }
  return { has: (name) => names.has(name), leadsTo: (name) => names.has(name) || directories.has(name) }
}

/** What is wrong with a file whose digests are not those that were signed: the first that differs. */
export function digestProblem(
  file: string,
  hashType: string,
  expected: readonly string[],
  found: readonly string[],
): FileProblem | undefined {
  if (expected.length === 1 && found.length === 1 && expected[0] === found[0]) return undefined
  const differs = expected.findIndex((digest, part) => digest !== found[part])
  if (differs < 0 && expected.length === found.length) return undefined
  const part = Math.max(differs, 0)
  return {
    code: 'FILE_MISMATCH',
    file,
    expected: `${hashType}:${expected[part] ?? 'nothing'}`,
    found: `${hashType}:${found[part] ?? 'nothing'}`,
  }
}

/** The refusal of a name that no file of the manifest has. */
export function notSigned(name: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `The file ${shown(name)} is not covered by the signature of the model.`,
    {
      file: name,
      hint: 'Only files of the signed manifest can be read through a verified model.',
    },
  )
}

function matchNames(
  source: LocalSource,
  manifest: Manifest,
  found: readonly SourceFile[],
  options: ContentsOptions,
  selected: Selection | undefined,
): Map<string, SourceFile> {
  const unnamed = source.kind === 'file' && manifest.files.has(UNNAMED_FILE)
  const files = new Map<string, SourceFile>()
  const problems: FileProblem[] = []
  for (const file of found) {
    if (unnamed || manifest.files.has(file.name)) files.set(file.name, file)
    else if (leavesTrace(file, manifest) && !options.ignoreUnsignedFiles && !selected)
      problems.push({ code: 'FILE_UNSIGNED', file: file.name })
  }
  // Each that was found is of the manifest, so as many are all.
  const complete = files.size === manifest.files.size
  for (const name of complete ? [] : manifest.files.keys()) {
    if (unnamed || files.has(name) || selected?.has(name) === false) continue
    problems.push({ code: 'FILE_MISSING', file: name })
  }
  if (problems.length > 0) throw mismatch(source, problems)
  return files
}

/** OMS 6.3.2: an empty file has no shard, so nothing tells a signed one from an added one. */
function leavesTrace({ identity }: SourceFile, { serialization }: Manifest): boolean {
  return serialization.method === 'files' || identity.size > 0
}

const PROBLEM_TEXT: Record<FileProblem['code'], (file: string) => string> = {
  FILE_MISSING: (file) => `The signed file ${shown(file)} is missing`,
  FILE_UNSIGNED: (file) => `The file ${shown(file)} is not covered by the signature`,
  FILE_MISMATCH: (file) => `The content of ${shown(file)} is not what was signed`,
}

const SHOWN_PROBLEMS = 5

function mismatch(source: LocalSource, problems: readonly FileProblem[]): ModelSealError {
  const sorted = [...problems].sort((a, b) => compareCodePoints(a.code, b.code) || compareCodePoints(a.file, b.file))
  const [first, ...others] = sorted as [FileProblem, ...FileProblem[]]
  let sentence = `${PROBLEM_TEXT[first.code](first.file)} (model ${shown(source.path)}).`
  for (const other of others.slice(0, SHOWN_PROBLEMS - 1)) sentence += ` ${PROBLEM_TEXT[other.code](other.file)}.`
  if (others.length >= SHOWN_PROBLEMS) sentence += ` ${others.length - SHOWN_PROBLEMS + 1} more files differ.`
  return new ModelSealError(first.code, sentence, {
    file: first.file,
    expected: first.expected,
    found: first.found,
    hint: 'Do not load this copy; fetch the model again from its publisher, and find out who changed it.',
    problems: sorted,
  })
}
