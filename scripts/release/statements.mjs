// Checks that the statements that were signed with a tarball are about that tarball.

export const STATEMENT = 'https://in-toto.io/Statement/v1'
export const PREDICATE = 'https://slsa.dev/provenance/v1'

/** Why a release is not what it should be. */
export class UnverifiedRelease extends Error {
  constructor(reason, { expected, found } = {}) {
    super(`${reason}${expected === undefined ? '' : `: expected ${shown(expected)}, found ${shown(found)}`}.`)
  }
}

/** The bill of materials describes this package and this tarball. */
export function checkSbom(bytes, { name, version, digests }) {
  const { bomFormat, metadata } = parsed(bytes, 'bill of materials')
  const { group, name: base, version: stated, hashes } = metadata?.component ?? {}
  const found = { bomFormat, name: group === undefined ? base : `${group}/${base}`, version: stated }
  same('the bill of materials describes another package', { bomFormat: 'CycloneDX', name, version }, found)
  const sha512 = hashes?.find(({ alg }) => alg === 'SHA-512')?.content
  same('the bill of materials is about another tarball', digests.sha512, sha512)
}

/**
 * The provenance is about this tarball alone.
 *
 * @returns {{ commit: string, builder: string }}
 */
export function checkProvenance(bytes, { digests: { sha256, sha512 } }) {
  const { _type, predicateType, subject, predicate } = parsed(bytes, 'provenance')
  same('the provenance is of another type', { _type: STATEMENT, predicateType: PREDICATE }, { _type, predicateType })
  const digests = subject?.map(({ digest }) => ({ sha256: digest?.sha256, sha512: digest?.sha512 }))
  same('the provenance is about another tarball', [{ sha256, sha512 }], digests)
  const commits = predicate?.buildDefinition?.resolvedDependencies?.flatMap(({ digest }) => digest?.gitCommit ?? [])
  const builder = predicate?.runDetails?.builder?.id
  if (commits?.length !== 1 || typeof builder !== 'string')
    throw new UnverifiedRelease('the provenance does not name one commit and the builder')
  return { commit: commits[0], builder }
}

export function same(reason, expected, found) {
  if (shown(expected) !== shown(found)) throw new UnverifiedRelease(reason, { expected, found })
}

function parsed(bytes, what) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new UnverifiedRelease(`the ${what} is not JSON (${error.message})`)
  }
}

function shown(value) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  // What a registry says must not drive a terminal.
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\u{${char.codePointAt(0).toString(16)}}`)
}
