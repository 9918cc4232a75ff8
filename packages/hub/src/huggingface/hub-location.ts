import { ModelSealError, shown } from '@modelseal/core/errors'

/** What an `hf:` URL names. */
export interface HubLocation {
  readonly kind: 'models' | 'datasets'
  /** `ORG/NAME`, or only a name for the oldest models, such as `gpt2`. */
  readonly repository: string
  /** Branch, tag, commit, or `refs/pr/N`. */
  readonly revision: string
  /** False if the URL has none, and the default is meant. */
  readonly hasRevision: boolean
  /** A folder or file, relative to the repository, without slashes at its ends; empty for the whole repository. */
  readonly folder: string
  /** What policies match: without revision and folder. */
  readonly url: string
}

/** Each part of a repository's name, by the rules of the hub. */
const PART = /^\b[\w.-]{1,96}\b$/
/** References of pull requests and of conversions contain slashes. */
const REFERENCE = /^(refs\/(?:pr\/\d+|convert\/\w+))(?:\/|$)/
/** Names of branches and tags that git allows, without rare characters. */
const REVISION = /^[\w.+-]+(?:\/[\w.+-]+)*$/
const MAX_REVISION = 255
/** First components that are other things on the hub. */
const RESERVED: ReadonlySet<string> = new Set([
  'models',
  'datasets',
  'spaces',
  'api',
  'buckets',
  'collections',
  'docs',
  'papers',
])
const DEFAULT_REVISION = 'main'

/**
 * Parses `hf://ORG/NAME[@REVISION][/FOLDER|/FILE]` and `hf://datasets/ORG/NAME…`.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function hubLocation(url: string): HubLocation {
  // For callers without types.
  if (typeof (url as unknown) !== 'string') throw invalid('', 'text', typeof url)
  // Half of a surrogate pair has no place in a request.
  if (!url.isWellFormed()) throw invalid(url, 'valid Unicode', 'something else')
  const rest = /^hf:\/\/(.*)$/is.exec(url)?.[1] ?? ''
  const kind = rest.startsWith('datasets/') ? 'datasets' : 'models'
  const path = kind === 'datasets' ? rest.slice('datasets/'.length) : rest
  // Folders may contain "@" as well.
  const at = path.split('/', 2).join('/').indexOf('@')
  const named = at < 0 ? path : path.slice(0, at)
  const parts = named.split('/')
  // With a revision, the name ends before it; without one, it has two components, unless there is only one.
  const name = at < 0 ? parts.slice(0, 2) : parts
  checkName(url, name)
  const { revision, folder } =
    at < 0 ? { revision: '', folder: parts.slice(2).join('/') } : behindName(path.slice(at + 1))
  const repository = name.join('/')
  return {
    kind,
    repository,
    revision: at < 0 ? DEFAULT_REVISION : checkedRevision(url, revision),
    hasRevision: at >= 0,
    folder: checkedFolder(url, folder),
    url: `hf://${kind === 'datasets' ? 'datasets/' : ''}${repository}`,
  }
}

/** The package URL of a model (purl specification, type `huggingface`); undefined for a dataset, for which there is none. */
export function hubPackageUrl({ kind, repository }: HubLocation, commit: string): string | undefined {
  return kind === 'models' ? `pkg:huggingface/${repository}@${commit}` : undefined
}

function checkName(url: string, name: readonly string[]): void {
  const [first = ''] = name
  if (name.length > 2) throw invalid(url, 'one organisation and one name before "@"', `${name.length} components`)
  if (RESERVED.has(first)) throw invalid(url, 'a model or a dataset', shown(`${first}/`))
  const isNamed = name.every((part) => PART.test(part) && !/--|\.\./.test(part)) && !/\.git$/.test(name.at(-1) ?? '')
  if (!isNamed) throw invalid(url, 'an organisation and a name of letters, digits, "-", "_" and "."')
}

/** @param text what follows the first `@` */
function behindName(text: string): { revision: string; folder: string } {
  const [reference] = REFERENCE.exec(text) ?? []
  const end = reference === undefined ? text.indexOf('/') : reference.replace(/\/$/, '').length
  return end < 0 ? { revision: text, folder: '' } : { revision: text.slice(0, end), folder: text.slice(end + 1) }
}

function checkedRevision(url: string, text: string): string {
  const revision = decoded(url, text)
  const isValid =
    REVISION.test(revision) && revision.length <= MAX_REVISION && !/\.\.|\.lock(?:\/|$)|(?:^|\/)[.-]/.test(revision)
  if (isValid) return revision
  throw invalid(url, 'a branch, tag or commit after "@"', 'something else')
}

function checkedFolder(url: string, text: string): string {
  const folder = text.replace(/\/$/, '')
  if (folder === '') return ''
  const components = folder.split('/').map((component) => decoded(url, component))
  if (components.some((component) => /^\.{0,2}$|[\x00-\x1f\x7f/\\]/.test(component)))
    throw invalid(url, 'a folder without empty components, ".", ".." and control characters', 'another path')
  return components.join('/')
}

function decoded(url: string, text: string): string {
  if (/[?#]/.test(text))
    throw invalid(url, 'no query and no fragment ("?" is written as %3F, "#" as %23)', 'a query or a fragment')
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(url, 'percent-escapes of valid UTF-8', 'something else')
  }
}

/** The URL may contain a password by mistake, and is then not shown. */
function invalid(url: string, expected: string, found?: string): ModelSealError {
  const isPlain = /^[\w:/.%-]*(?:@[\w/.%-]*)?$/.test(url) && !/:(?!\/\/)/.test(url)
  // A password is before the first slash, so a revision after ":" is none.
  const hasRevision = /^hf:\/\/[\w.-]+\/[\w.-]+:[\w.-]+$/i.test(url)
  return new ModelSealError('INVALID_ARGUMENT', 'Invalid URL of a model on Hugging Face.', {
    expected,
    found: found ?? (isPlain || hasRevision ? shown(url) : 'something else'),
    hint: 'Write hf://ORG/NAME, hf://ORG/NAME@REVISION (with "@", not ":") or hf://datasets/ORG/NAME, followed by a folder or file of the repository if needed.',
  })
}
