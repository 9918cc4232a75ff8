import { ModelSealError, shown } from '@modelseal/core/errors'
import { isLoopback } from '@modelseal/core/http'
import { isDigest, type Digest } from './digest.ts'

/** An artifact of a registry, as `oci://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]` names it. */
export interface OciReference {
  /** Of the registry's API: `https://registry.example`, or `http:` on the loopback interface. */
  readonly origin: string
  /** The registry in lowercase, with its port unless it is the default: the key of docker's credentials. */
  readonly host: string
  /** Without a slash at either end. */
  readonly repository: string
  /** A tag, or the digest of a manifest. */
  readonly version: { readonly tag: string; readonly digest?: undefined } | { readonly digest: Digest }
}

/** Distribution specification 1.1, "Pulling manifests". */
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
/** Host and name together. Many clients accept no more (ibid.). */
const MAX_LENGTH = 255
/** No valid URL is longer, and the patterns below are not run over longer ones. */
const MAX_URL_LENGTH = 512
const DEFAULT_TAG = 'latest'

/** A host name, an IPv4 address or an IPv6 address in brackets, and an optional port. */
const AUTHORITY =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::(?:[1-9][0-9]{0,4}))?$/i

/** Docker Hub is named by one host and answers on another. */
const DOCKER_HUB = 'docker.io'
const DOCKER_HUB_API = 'https://registry-1.docker.io'
/** All names of it. A rule must not miss it because of one of them. */
const DOCKER_HUB_NAMES: ReadonlySet<string> = new Set([DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io'])

/**
 * Parses the URL of a model in a registry. Nothing is guessed: a URL that other clients could read differently is refused.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function parseOciReference(url: string): OciReference {
  // For callers without types.
  if (typeof (url as unknown) !== 'string') throw invalid('', `no text but ${typeof url}`)
  if (url.length > MAX_URL_LENGTH) throw invalid(url, `more than ${MAX_URL_LENGTH} characters`)
  const [, authority = '', path = ''] = /^oci:\/\/([^/]*)\/(.*)$/is.exec(url) ?? []
  if (path === '') throw invalid(url, 'no registry and repository')
  if (/[?#%\\\s]/.test(url)) throw invalid(url, 'a query, a fragment, an escape or white space')
  const registry = registryAt(authority.toLowerCase())
  if (!registry) throw invalid(url, 'no valid host of a registry')
  const { origin, host } = registry
  const [name = '', digest, ...more] = path.split('@')
  if (digest !== undefined) {
    if (more.length > 0 || !isDigest(digest)) throw invalid(url, 'no valid digest after "@"')
    if (name.includes(':'))
      throw invalid(url, 'a tag and a digest', 'Remove the tag. The digest already names one manifest.')
    return { origin, host, repository: checkedName(url, host, name), version: { digest } }
  }
  const [repository = '', tag = DEFAULT_TAG, ...others] = name.split(':')
  if (others.length > 0 || !TAG.test(tag)) throw invalid(url, 'no valid tag after ":"')
  return { origin, host, repository: checkedName(url, host, repository), version: { tag } }
}

/** What policy rules match: the repository, whatever its version, and however the host was spelled. */
export function repositoryUrl({ host, repository }: Pick<OciReference, 'host' | 'repository'>): string {
  return `oci://${host}/${repository}`
}

/** The URL of one artifact. */
export function ociUrl(reference: OciReference): string {
  const { version } = reference
  return repositoryUrl(reference) + (version.digest === undefined ? `:${version.tag}` : `@${version.digest}`)
}

/** The package URL of an artifact (purl specification, type `oci`). */
export function ociPackageUrl({ host, repository }: OciReference, digest: Digest): string {
  const name = repository.slice(repository.lastIndexOf('/') + 1)
  return `pkg:oci/${name}@${digest}?repository_url=${encodeURIComponent(`${host}/${repository}`)}`
}

function checkedName(url: string, host: string, name: string): string {
  if (!NAME.test(name)) throw invalid(url, 'no valid name of a repository')
  if (host.length + 1 + name.length > MAX_LENGTH) throw invalid(url, `a name of more than ${MAX_LENGTH} characters`)
  // Docker Hub's official repositories have no organization in their names.
  return host === DOCKER_HUB && !name.includes('/') ? `library/${name}` : name
}

function registryAt(authority: string): Pick<OciReference, 'origin' | 'host'> | undefined {
  if (!AUTHORITY.test(authority)) return undefined
  const name = authority.replace(/:\d+$/, '')
  const url = URL.parse(`${isLoopback(name) ? 'http' : 'https'}://${authority}`)
  // Other spellings of an address, such as 0x7f.1, would be read differently by other programs. The default port has no
  // meaning, and a rule must not miss a registry because of it.
  if (url?.hostname !== name) return undefined
  return DOCKER_HUB_NAMES.has(url.host)
    ? { origin: DOCKER_HUB_API, host: DOCKER_HUB }
    : { origin: url.origin, host: url.host }
}

function invalid(url: string, found: string, hint?: string): ModelSealError {
  // Anything before an "@" may be a password, unless a digest follows.
  const safe = url.replace(/[?#].*$/s, '').replace(/^(oci:\/\/).*@(?!sha\d+:)/is, '$1…@')
  return new ModelSealError('INVALID_ARGUMENT', `Invalid URL of a model in a registry: ${shown(safe)}.`, {
    expected: 'oci://HOST[:PORT]/REPOSITORY, followed by :TAG or @sha256:DIGEST',
    found,
    hint:
      hint ??
      'Write the repository in lowercase, as "oras" and "docker" do, for example oci://registry.example/models/vad:1.0.',
  })
}
