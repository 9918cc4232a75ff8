import {
  CLAIMS_NAME,
  type BundleGroup,
  type ClaimsCandidate,
  type ModelDirectory,
  type ModelFiles,
  type NamePattern,
  type PlainModel,
  type SourceSession,
} from '@modelseal/core/source'
import type { Bucket } from './s3-bucket.ts'
import type { S3Entry } from './listing/list-prefix.ts'
import { s3Url } from './s3-location.ts'

/** What a URL names: all objects below a prefix, or one object. */
export type S3Model = Pick<SourceSession, 'model' | 'bundles' | 'directories' | 'unverified'> & {
  claims(files: ModelFiles): Iterable<ClaimsCandidate>
}

const BUNDLE = 'model.sig'
const SKILL_BUNDLE = 'skill.oms.sig'
/** One more than are read, so that a load says if there are too many. */
const MAX_BUNDLES = 33
/** Each parent directory costs a request. */
const MAX_DIRECTORIES_ABOVE = 8
/** Names of a rule that are requested in each directory. */
const MAX_NAMES = 8

/** All objects below a prefix. */
export class FolderModel implements S3Model {
  readonly #bucket: Bucket
  readonly #path: string
  readonly #entries: ReadonlyMap<string, S3Entry>

  constructor(bucket: Bucket, path: string, entries: ReadonlyMap<string, S3Entry>) {
    this.#bucket = bucket
    this.#path = path
    this.#entries = entries
  }

  model(): ModelFiles {
    return this.#bucket.files(this.#path, this.#entries)
  }

  /** `model.sig` in it, else `PREFIX.sig` beside it, else `skill.oms.sig` in it; or the names of the rule in it. */
  *bundles(names?: readonly NamePattern[]): Generator<BundleGroup> {
    if (names) {
      const found = [...this.#entries.keys()].filter((name) => names.some((pattern) => pattern.matches(name)))
      yield {
        candidates: found
          .sort()
          .slice(0, MAX_BUNDLES)
          .map((name) => this.#inside(name)),
        looked: [],
      }
      return
    }
    yield { ...this.#one(BUNDLE), nested: this.#nested() }
    if (this.#path !== '') yield { candidates: [this.#bucket.candidate(`${this.#path}.sig`)] }
    yield this.#one(SKILL_BUNDLE)
  }

  /** `claims.jsonl` in it, and `PREFIX.claims.jsonl` beside it. */
  *claims(): Generator<ClaimsCandidate> {
    const what = 'file of attestations'
    if (this.#entries.has(CLAIMS_NAME)) yield { ...this.#inside(CLAIMS_NAME, what), lines: true, name: CLAIMS_NAME }
    if (this.#path !== '')
      yield { ...this.#bucket.candidate(`${this.#path}.${CLAIMS_NAME}`, undefined, what), lines: true }
  }

  #one(name: string): BundleGroup {
    const place = s3Url(this.#bucket.name, this.#keyOf(name))
    return { candidates: this.#entries.has(name) ? [this.#inside(name)] : [], looked: [place] }
  }

  #inside(name: string, what?: string) {
    return this.#bucket.candidate(this.#keyOf(name), this.#entries.get(name), what)
  }

  /** The only folder inside with a bundle. */
  #nested(): string | undefined {
    const folders = [...this.#entries.keys()].flatMap((name) => /^([^/]+)\/model\.sig$/.exec(name)?.[1] ?? [])
    const [only] = folders
    return folders.length === 1 && only !== undefined ? s3Url(this.#bucket.name, this.#keyOf(only)) : undefined
  }

  #keyOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}/${name}`
  }
}

/** One object. It may be signed alone, or with one of the prefixes above it. */
export class ObjectModel implements S3Model {
  readonly #bucket: Bucket
  readonly #key: string

  constructor(bucket: Bucket, key: string) {
    this.#bucket = bucket
    this.#key = key
  }

  model(): ModelFiles {
    return {
      path: s3Url(this.#bucket.name, this.#key),
      name: this.#key.slice(this.#key.lastIndexOf('/') + 1),
      isFile: true,
      read: ({ range, signal }, receive) => this.#bucket.read({ key: this.#key, what: 'file', range, signal }, receive),
    }
  }

  /** `KEY.sig`, else the nearest `model.sig` above; or the names of the rule without wildcards, above it. */
  *bundles(names?: readonly NamePattern[]): Generator<BundleGroup> {
    const candidate = (key: string) => this.#bucket.candidate(key)
    if (!names) yield { candidates: [candidate(`${this.#key}.sig`)] }
    const wanted = names ? spelled(names) : [BUNDLE]
    for (const { folder, directory } of this.#above().slice(0, MAX_DIRECTORIES_ABOVE)) {
      for (const name of wanted) yield { candidates: [candidate(prefixOf(folder) + name)], directory }
      if (!names && folder !== '' && folder === folderOf(this.#key))
        yield { candidates: [candidate(`${folder}.sig`)], directory }
    }
  }

  /** `KEY.claims.jsonl` for the object, and those of a prefix that was signed. */
  *claims({ path }: ModelFiles): Generator<ClaimsCandidate> {
    const what = 'file of attestations'
    const at = (key: string) => ({ ...this.#bucket.candidate(key, undefined, what), lines: true })
    if (path === this.model().path) yield at(`${this.#key}.${CLAIMS_NAME}`)
    for (const { folder } of this.#above()) {
      if (s3Url(this.#bucket.name, folder) !== path) continue
      yield { ...at(prefixOf(folder) + CLAIMS_NAME), name: CLAIMS_NAME }
      if (folder !== '') yield at(`${folder}.${CLAIMS_NAME}`)
    }
  }

  *directories(): Generator<ModelDirectory> {
    for (const { directory } of this.#above()) yield directory
  }

  /** As a program without modelseal would see it: with what is beside it. */
  unverified(): PlainModel {
    const { name } = this.model()
    return { files: this.#bucket.files(folderOf(this.#key)), entry: name, names: [name] }
  }

  /** The prefixes above, nearest first; the last is the bucket. */
  #above(): { folder: string; directory: ModelDirectory }[] {
    const parts = this.#key.split('/').slice(0, -1)
    const folders = [...parts.map((_, index) => parts.slice(0, parts.length - index).join('/')), '']
    return folders.map((folder) => ({
      folder,
      directory: { entry: this.#key.slice(prefixOf(folder).length), files: () => this.#bucket.files(folder) },
    }))
  }
}

/** Only names without wildcards can be requested. */
function spelled(names: readonly NamePattern[]): string[] {
  return names
    .flatMap((pattern) => pattern.spelled)
    .filter((components) => !components.includes(undefined))
    .map((components) => components.join('/'))
    .slice(0, MAX_NAMES)
}

function prefixOf(folder: string): string {
  return folder === '' ? '' : `${folder}/`
}

function folderOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf('/')))
}
