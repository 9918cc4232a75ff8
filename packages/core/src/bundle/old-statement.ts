import { ModelSealError, shown } from '../errors.ts'
import { Manifest, type Resource } from '../manifest/manifest.ts'
import type { Fields } from './fields.ts'

/** The predicate type of release 0.2.0, whose subjects are the files themselves (OMS 11). */
export const OLD_PREDICATE_TYPE = 'https://model_signing/Digests/v0.1'

/**
 * Reads the files of a statement of release 0.2.0: SHA-256 over whole files, without following links. Such a statement
 * has no model name and no root digest, so the root digest of a current manifest of the same files is used.
 *
 * @throws {@link ModelSealError} `STATEMENT_MALFORMED`, `RESOURCES_EMPTY`, `RESOURCE_*`
 */
export function parseOldStatement(statement: Fields): Manifest {
  const resources = statement.objects('subject').map(parseSubject)
  return new Manifest(undefined, { method: 'files', hashType: 'sha256', allowSymlinks: false }, resources)
}

function parseSubject(subject: Fields): Resource {
  const name = subject.string('name')
  // The digest is always labelled sha256. If it is of another hash, an annotation says so.
  if (subject.has('annotations')) {
    const annotations = subject.object('annotations')
    const algorithm = annotations.has('actual_hash_algorithm') ? annotations.string('actual_hash_algorithm') : 'sha256'
    if (algorithm !== 'sha256' && algorithm !== 'file-sha256') {
      throw new ModelSealError(
        'RESOURCE_DIGEST',
        `Cannot use the statement: the digest of ${shown(name)} has a hash type that is not supported in this old format.`,
        {
          file: name,
          expected: 'sha256 over whole files',
          found: shown(algorithm),
        },
      )
    }
  }
  return { name, digest: subject.object('digest').only('sha256').string('sha256') }
}
