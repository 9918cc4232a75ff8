import { createHash } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { isHashType } from '../hashing/algorithms.ts'
import { Manifest, type Resource } from '../manifest/manifest.ts'
import { ignorePathFault } from '../manifest/names.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { Steps } from '../source/turns.ts'
import { Fields } from './fields.ts'
import { strictJsonSteps } from './json.ts'
import { OLD_PREDICATE_TYPE, parseOldStatement } from './old-statement.ts'

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0'

/** Twice as many as a million resources of four values each. */
const MAX_VALUES = 8_000_000

/** A statement, and the version of its predicate. */
interface ParsedStatement {
  version: '1.0' | '0.1'
  manifest: Manifest
}

/**
 * Reads the statement of an envelope whose signature has been verified (OMS 8.3). Accepts one form only: writing the
 * manifest again gives the same resources and root digest. A parsed claim is kept as long as its payload, so that it is
 * not parsed again.
 *
 * @param maxValues limits the cost of parsing; lower if the statement is only a claim
 * @throws {@link ModelSealError} `JSON_*`, `STATEMENT_TYPE`, `PREDICATE_TYPE`,
 * `STATEMENT_MALFORMED`, `SERIALIZATION_UNSUPPORTED`, `RESOURCES_EMPTY`, `RESOURCE_*`,
 * `ROOT_DIGEST_MISMATCH`
 */
export function* statementSteps(payload: Uint8Array, maxValues = MAX_VALUES): Steps<ParsedStatement> {
  const claimed = claims.get(payload)
  if (claimed && claimed.digest === digestOf(payload)) return claimed.statement
  if (maxValues >= MAX_VALUES) return yield* parsingSteps(payload, maxValues)
  const digest = digestOf(payload)
  const statement = yield* parsingSteps(payload, maxValues)
  claims.set(payload, { digest, statement })
  return statement
}

/** Statements that were read before their signature was verified, each with the digest of the bytes it was read from. */
const claims = new WeakMap<Uint8Array, { digest: string; statement: ParsedStatement }>()

function digestOf(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('base64')
}

function* parsingSteps(payload: Uint8Array, maxValues: number): Steps<ParsedStatement> {
  const json = yield* strictJsonSteps(payload, { what: 'statement', maxValues })
  const statement = new Fields(json, { code: 'STATEMENT_MALFORMED' }).only(
    '_type',
    'subject',
    'predicateType',
    'predicate',
  )
  const predicateType = statement.string('predicateType')
  // First, so that attestations of another kind are told apart whatever their version.
  if (predicateType !== OLD_PREDICATE_TYPE)
    checkType(
      predicateType,
      PREDICATE_TYPE,
      'PREDICATE_TYPE',
      'Cannot use the statement: it does not describe a signed model.',
    )
  checkType(
    statement.string('_type'),
    STATEMENT_TYPE,
    'STATEMENT_TYPE',
    'Cannot use the statement: it is not an in-toto Statement v1.',
  )
  if (predicateType === OLD_PREDICATE_TYPE) return { version: '0.1', manifest: parseOldStatement(statement) }
  return { version: '1.0', manifest: yield* manifestSteps(statement) }
}

function* manifestSteps(statement: Fields): Steps<Manifest> {
  yield
  const predicate = statement.object('predicate').only('resources', 'serialization')
  const serialization = parseSerialization(predicate.object('serialization'))
  const algorithms = algorithmsOf(serialization)
  const resources = predicate
    .array('resources')
    .map(
      (item, index) => plainResource(item, algorithms) ?? parseResource(predicate.item('resources', index), algorithms),
    )
  const subject = parseSubject(statement)
  yield

  const manifest = new Manifest(subject.name, serialization, resources)
  yield
  // OMS 6.5.1: recomputed although the signature covers it, so that all readers see the same model.
  if (manifest.rootDigest !== subject.digest) {
    throw new ModelSealError(
      'ROOT_DIGEST_MISMATCH',
      'Cannot use the statement: its root digest does not match its file digests.',
      {
        expected: manifest.rootDigest,
        found: shown(subject.digest),
      },
    )
  }
  manifest.mapFiles()
  yield
  return manifest
}

function checkType(found: string, expected: string, code: 'STATEMENT_TYPE' | 'PREDICATE_TYPE', sentence: string): void {
  if (found !== expected) throw new ModelSealError(code, sentence, { expected, found: shown(found) })
}

/** OMS 6.5: exactly one subject, the model as a whole. Its other fields are ignored. */
function parseSubject(statement: Fields): { name: string; digest: string } {
  const subjects = statement.objects('subject')
  const [subject] = subjects
  if (!subject || subjects.length !== 1) throw statement.fault('subject', 'exactly one subject')
  const digest = subject.object('digest')
  return { name: subject.string('name'), digest: digest.string('sha256') }
}

function parseSerialization(fields: Fields): Serialization {
  fields.only('method', 'hash_type', 'shard_size', 'allow_symlinks', 'ignore_paths')
  const method = fields.string('method')
  if (method !== 'files' && method !== 'shards') throw unsupported('method', method, 'files or shards')
  const hashType = fields.string('hash_type')
  if (!isHashType(hashType)) throw unsupported('hash_type', hashType, 'a supported hash type')
  // OMS 5.2.2: required for shards, absent for files.
  if (method === 'files' && fields.has('shard_size'))
    throw fields.fault('shard_size', 'no shard_size with the method files')
  return withoutPrototype<Serialization>({
    method,
    hashType,
    ...(method === 'shards' ? { shardSize: fields.positiveInteger('shard_size') } : {}),
    allowSymlinks: fields.boolean('allow_symlinks'),
    ...(fields.has('ignore_paths') ? { ignorePaths: parseIgnorePaths(fields) } : {}),
  })
}

function parseIgnorePaths(fields: Fields): string[] {
  return fields.array('ignore_paths').map((path) => {
    if (typeof path !== 'string') throw fields.fault('ignore_paths', 'an array of strings')
    const fault = ignorePathFault(path)
    if (fault)
      throw new ModelSealError(
        'RESOURCE_NAME',
        `Cannot use the statement: the ignored path ${shown(path)} is not allowed, because ${fault}.`,
        { file: path },
      )
    return path
  })
}

function unsupported(field: string, found: string, expected: string): ModelSealError {
  return new ModelSealError('SERIALIZATION_UNSUPPORTED', `Cannot use the statement: its ${field} is not supported.`, {
    expected,
    found: shown(found),
  })
}

/** A fast path for valid resources, because there can be many. */
function plainResource(item: unknown, algorithms: readonly string[]): Resource | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const { name, algorithm, digest } = item as Partial<Record<string, unknown>>
  if (typeof name !== 'string' || typeof digest !== 'string' || name === '' || digest === '') return undefined
  if (!Object.hasOwn(item, 'name') || !Object.hasOwn(item, 'digest') || !Object.hasOwn(item, 'algorithm'))
    return undefined
  return algorithms.includes(algorithm as string) ? { name, digest } : undefined
}

/** OMS 5.2.1: unknown fields are ignored here, and only here. */
function parseResource(resource: Fields, algorithms: readonly string[]): Resource {
  const name = resource.string('name')
  const algorithm = resource.string('algorithm')
  if (!algorithms.includes(algorithm)) {
    throw new ModelSealError(
      'RESOURCE_DIGEST',
      `Cannot use the statement: the digest of ${shown(name)} does not have the hash type of the model.`,
      {
        file: name,
        expected: algorithms.join(' or '),
        found: shown(algorithm),
      },
    )
  }
  return { name, digest: resource.string('digest') }
}

/** The form of the standard and, for shards, the form that the reference tool writes. */
function algorithmsOf({ method, hashType, shardSize }: Serialization): string[] {
  return method === 'files' ? [hashType] : [hashType, `${hashType}-sharded-${shardSize}`]
}

/** Writes the statement of a manifest (OMS 6.6): UTF-8 JSON, identical for identical manifests. */
export function writeStatement(manifest: Manifest): Buffer {
  const { method, hashType, shardSize, allowSymlinks, ignorePaths } = manifest.serialization
  return Buffer.from(
    JSON.stringify({
      _type: STATEMENT_TYPE,
      subject: [{ name: manifest.modelName, digest: { sha256: manifest.rootDigest } }],
      predicateType: PREDICATE_TYPE,
      predicate: {
        resources: manifest.resources.map(({ name, digest }) => ({ name, digest, algorithm: hashType })),
        serialization: {
          method,
          hash_type: hashType,
          ...(shardSize === undefined ? {} : { shard_size: shardSize }),
          allow_symlinks: allowSymlinks,
          ...(ignorePaths === undefined ? {} : { ignore_paths: ignorePaths }),
        },
      },
    }),
  )
}
