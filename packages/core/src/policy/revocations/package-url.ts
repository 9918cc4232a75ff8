import type { PackageURL } from 'packageurl-js'
import { messageOf } from '../../any-realm.ts'
import { LibraryNeeded } from '../when-needed.ts'

/** Package URLs (https://github.com/package-url/purl-spec), by which a model has a name and version wherever it is stored. */

/** Longer than any real one. */
export const MAX_PURL_LENGTH = 2_048

/** What JSON Schema can say about them. */
export const PACKAGE_URL = '^[pP][kK][gG]:'

/**
 * What was expected instead of a text that is not a package URL which a model can have; undefined if it is one.
 *
 * @throws {@link LibraryNeeded}
 */
export function packageUrlFault(text: string): string | undefined {
  const expected = 'expected a package URL such as pkg:huggingface/acme/vad@COMMIT'
  if (text.length > MAX_PURL_LENGTH) return `${expected} of at most ${MAX_PURL_LENGTH} characters`
  try {
    const { type, version, qualifiers = {}, subpath } = parse(text)
    // The specification allows a plus in types, but no type has one, and the library writes it as an escape, which it reads as another type.
    if (type.includes('+')) return `${expected}, of a type without "+"`
    // No model is a part of a package, so it would never match.
    if (subpath !== undefined) return `${expected}, without a part after "#"`
    const other = Object.keys(qualifiers).find((name) => name !== REPOSITORY)
    if (other !== undefined) return `${expected}, with no other qualifier than ${REPOSITORY}`
    return version === undefined ? undefined : versionFault(type, version)
  } catch (error) {
    if (error instanceof LibraryNeeded) throw error
    return `${expected} (${messageOf(error)})`
  }
}

/** The only qualifier that tells models apart. What others mean for a model is not known. */
const REPOSITORY = 'repository_url'

/** Branches and tags are resolved before a model is compared, so one of them would never match. */
function versionFault(type: string, version: string): string | undefined {
  const expected = 'expected no version, for all versions, or'
  if (version === '') return `${expected} one after "@"`
  if (type === 'huggingface' && !/^[0-9a-f]{40}$/.test(version)) return `${expected} a commit of 40 hex digits`
  if (type === 'oci' && !isDigest(version.toLowerCase())) return `${expected} the digest of a manifest (sha256:…)`
  return undefined
}

/** A package in the form in which revocations compare it: loosely, because a revocation should match too much rather than too little. */
export interface PackageName {
  /** Type, namespace and name in lowercase: hubs have no two models whose names differ only in that. */
  name: string
  /** In lowercase; undefined for every version. */
  version: string | undefined
  /** Host and path in lowercase; undefined for every repository. */
  repository: string | undefined
}

/** @throws {@link LibraryNeeded}, and any other error for a text that is not a package URL */
export function packageName(text: string): PackageName {
  const { type, namespace, name, version, qualifiers } = parse(text)
  const repository = qualifiers?.[REPOSITORY]
  return {
    name: [type, namespace, name].filter(Boolean).join('/').toLowerCase(),
    version: version?.toLowerCase(),
    repository: repository === undefined ? undefined : plainRepository(repository),
  }
}

/** Whether a revocation concerns a package of the same name. */
export function concernsPackage(revoked: PackageName, { version, repository }: PackageName): boolean {
  if (revoked.version !== undefined && version !== undefined && revoked.version !== version) return false
  // A digest names the same content in every repository.
  if (revoked.version !== undefined && isDigest(revoked.version)) return true
  if (revoked.repository === undefined || repository === undefined) return true
  return repository === revoked.repository || repository.startsWith(`${revoked.repository}/`)
}

/** Docker Hub has several hosts. */
function plainRepository(url: string): string {
  return url
    .toLowerCase()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//, '')
    .replace(/^(?:index|registry-1)\.docker\.io(?=\/|$)/, 'docker.io')
    .replace(/(?<!\/)\/+$/, '')
}

function isDigest(version: string): boolean {
  return /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(version)
}

/**
 * The canonical form, in which the same package has the same text.
 *
 * @param text without {@link packageUrlFault}
 * @throws {@link LibraryNeeded}
 */
export function canonicalPackageUrl(text: string): string {
  return parse(text).toString()
}

function parse(text: string): PackageURL {
  if (!library) throw new LibraryNeeded(loadLibrary)
  return library.PackageURL.fromString(text)
}

let library: { PackageURL: typeof PackageURL } | undefined

async function loadLibrary(): Promise<void> {
  library = await import('packageurl-js')
}
