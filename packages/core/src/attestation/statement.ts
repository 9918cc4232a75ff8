import { createHash } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { Fields } from '../bundle/fields.ts'
import { endOfString, strictJsonSteps } from '../bundle/json.ts'
import { parsedWithoutPrototypes } from '../snapshot.ts'
import type { Steps } from '../source/turns.ts'
import { decimalOf, isSameDecimal } from './decimal.ts'

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
/** cosign still writes the older version. Its fields are the same. */
const OLD_STATEMENT_TYPE = 'https://in-toto.io/Statement/v0.1'

/** Largest size of a statement in bytes. */
export const MAX_STATEMENT_BYTES = 4 * 1024 * 1024
/** JSON values of a statement. A model card with long texts has a few thousand. */
export const MAX_VALUES = 100_000
const MAX_SUBJECTS = 1_000
const MAX_TYPE_LENGTH = 2_048

/** What an attestation is about. */
interface Subject {
  name?: string
  /** Digests by algorithm, lowercase hex. */
  digest: Readonly<Record<string, string>>
}

/** An in-toto statement of any type (in-toto Attestation Framework 1.0, Statement). */
export interface AttestationStatement {
  predicateType: string
  subjects: readonly Subject[]
  predicate: Readonly<Record<string, unknown>>
  /** A number in the statement that has more digits than a program can compare; absent if there is none. */
  inexactNumber?: string
}

/**
 * Reads the statement of an attestation.
 *
 * @throws {@link ModelSealError} `JSON_*`, `STATEMENT_TYPE`, `STATEMENT_MALFORMED`
 */
export function* attestationSteps(payload: Uint8Array, file?: string): Steps<AttestationStatement> {
  if (payload.length > MAX_STATEMENT_BYTES) {
    throw new ModelSealError('JSON_TOO_COMPLEX', 'Cannot read the statement of the attestation: it is too large.', {
      file,
      expected: `at most ${MAX_STATEMENT_BYTES} bytes`,
      found: `${payload.length} bytes`,
    })
  }
  const json = yield* strictJsonSteps(payload, { what: 'statement of the attestation', file, maxValues: MAX_VALUES })
  const statement = new Fields(json, { code: 'STATEMENT_MALFORMED', file }).only(
    '_type',
    'subject',
    'predicateType',
    'predicate',
  )
  const type = statement.string('_type')
  if (type !== STATEMENT_TYPE && type !== OLD_STATEMENT_TYPE) {
    throw new ModelSealError('STATEMENT_TYPE', 'Cannot use the attestation: it is not an in-toto statement.', {
      file,
      expected: STATEMENT_TYPE,
      found: shown(type),
    })
  }
  const predicateType = statement.string('predicateType')
  if (predicateType.length > MAX_TYPE_LENGTH)
    throw statement.fault('predicateType', `at most ${MAX_TYPE_LENGTH} characters`)
  // The standard allows a statement without a predicate, which means the same as an empty one.
  if (statement.isSet('predicate')) statement.object('predicate')
  const predicate = parsedWithoutPrototypes((statement.raw('predicate') ?? {}) as Record<string, unknown>)
  const subjects = subjectsOf(statement)
  const inexactNumber = yield* inexactNumberSteps(payload)
  return { predicateType, subjects, predicate, ...(inexactNumber === undefined ? {} : { inexactNumber }) }
}

function subjectsOf(statement: Fields): Subject[] {
  const subjects = statement.objects('subject')
  if (subjects.length === 0 || subjects.length > MAX_SUBJECTS)
    throw statement.fault('subject', `1 to ${MAX_SUBJECTS} subjects`)
  return subjects.map((subject) => {
    const digest = subject.object('digest')
    const digests = subject.raw('digest') as Record<string, unknown>
    for (const algorithm of Object.keys(digests)) digest.string(algorithm)
    // A name is only a hint, and cosign leaves it empty.
    const name = subject.raw('name')
    if (name !== undefined && name !== null && typeof name !== 'string') throw subject.fault('name', 'a string')
    return { ...(typeof name === 'string' && name !== '' ? { name } : {}), digest: digests as Record<string, string> }
  })
}

/** The model that attestations are about. */
export interface ModelSubject {
  /** SHA-256 in lowercase hex. */
  rootDigest: string
  /** As `modelIdentity()` returns it: a root digest does not cover the names of files. */
  identity: string
}

/** The name of the digest, beside `sha256`, that covers file names as well. Only attestations made by modelseal have it. */
const IDENTITY = 'modelIdentity' as const

/** A model that a statement is about, by digests in lowercase hex. */
export interface SubjectDigests {
  /** The root digest. */
  sha256: string
  /** The digest that covers the names of files as well; only attestations made by modelseal have it. */
  modelIdentity?: string
}

/** The models that a statement may be about. */
export function subjectDigests({ subjects }: AttestationStatement): SubjectDigests[] {
  return subjects.flatMap(({ digest }) => {
    if (!Object.hasOwn(digest, 'sha256') || digest['sha256'] === undefined) return []
    const identity = Object.hasOwn(digest, IDENTITY) ? digest[IDENTITY] : undefined
    return [{ sha256: digest['sha256'], ...(identity === undefined ? {} : { [IDENTITY]: identity }) }]
  })
}

/**
 * Whether one of its subjects is the model. A root digest covers the digests of files only, so two models with the same content under
 * other names share it; attestations made by modelseal tell them apart, those of other tools cannot. Names of subjects do not count.
 */
export function isAbout(statement: AttestationStatement, model: ModelSubject): boolean {
  return haveModel(subjectDigests(statement), model)
}

/** Whether the digests of subjects include the model. */
export function haveModel(models: readonly SubjectDigests[], { rootDigest, identity }: ModelSubject): boolean {
  return models.some(({ sha256, modelIdentity = identity }) => sha256 === rootDigest && modelIdentity === identity)
}

/** Characters that are scanned between two steps. */
const SCANNED_AT_ONCE = 16 * 1024
/** A shorter number has at most 15 significant digits and no exponent, which every double holds. */
const SHORT = 15

/**
 * Finds a number that `JSON.parse` rounds. Numbers are compared as decimals, so if one of them is not what was written, no number of the
 * statement can be compared.
 *
 * @param payload valid JSON
 * @returns the number as it is written, quoted
 */
export function* inexactNumberSteps(payload: Uint8Array): Steps<string | undefined> {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1')
  const number = /-?\d[\d.eE+-]*/y
  let stop = SCANNED_AT_ONCE
  for (let i = 0; i < text.length; i++) {
    if (i >= stop) {
      stop = i + SCANNED_AT_ONCE
      yield
    }
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      i = endOfString(text, i)
      continue
    }
    if (code !== MINUS && (code < ZERO || code > NINE)) continue
    number.lastIndex = i
    const written = number.exec(text)?.[0] ?? ''
    i += Math.max(written.length - 1, 0)
    if (written.length <= SHORT && !/[eE]/.test(written)) continue
    const [exact, rounded] = [decimalOf(written), decimalOf(String(Number(written)))]
    if (!exact || !rounded || !isSameDecimal(exact, rounded)) return shown(written)
  }
  return undefined
}

const QUOTE = 0x22
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39

/** The digest of an attestation in lowercase hex, by which a policy can revoke it. The signature over it can be changed without becoming invalid. */
export function attestationDigest(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex')
}

/** Writes the statement of an attestation over a model (in-toto Statement v1). */
export function writeAttestation(
  subject: ModelSubject & { name: string },
  predicateType: string,
  predicate: object,
): object {
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: subject.name, digest: { sha256: subject.rootDigest, [IDENTITY]: subject.identity } }],
    predicateType,
    predicate,
  }
}
