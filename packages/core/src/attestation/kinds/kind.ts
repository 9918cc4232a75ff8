import { kindOf } from '../../any-realm.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import type * as s from '../../schema/define.ts'
import type { Issue } from '../../schema/issue.ts'

/** A value that a condition of a policy can be about. */
export type FieldValue = string | number | boolean

/** A measurement of a model. */
export interface Measurement {
  metric: string
  /** A decimal number. Text is a value that cannot be compared. */
  value: number | string
  unit?: string
  dataset?: { name?: string; sha256?: string }
  /** The part of the dataset, such as a language. */
  slice?: string
}

/**
 * Everything that is known about one kind of attestation. To add a kind, add a file beside this one, and a line each in `kinds.ts`
 * and `named-kinds.ts`; the policy schema, `attest` and `inspect` follow from these.
 */
export interface AttestationKind<Predicate = unknown> {
  /** Its name in policies and on the command line. */
  readonly name: string
  /** With its article, for messages: `an evaluation`. */
  readonly what: string
  /** The predicate types that are read. The first is written. */
  readonly types: readonly [string, ...string[]]
  /** For types that several kinds share: whether a predicate is of this kind. */
  isOne?(predicate: Readonly<Record<string, unknown>>): boolean
  /**
   * Reads a predicate strictly.
   *
   * @param fault makes the refusal of a field, given its path
   * @throws {@link ModelSealError} `ATTESTATION_MALFORMED`
   */
  read(predicate: Readonly<Record<string, unknown>>, fault: PredicateFault): Predicate
  /**
   * Makes a predicate from a file of a user.
   *
   * @throws {@link ModelSealError} `ATTESTATION_INPUT`, `JSON_*`
   */
  make(source: AttestationFile): object | Promise<object>
  /** When it was made, according to itself: ISO 8601. Undefined if it does not say. */
  statedAt(predicate: Predicate): string | undefined
  /**
   * The values that a policy may name, by the name of the field. A field without a value has an empty list. An undefined value is one
   * that is missing among others, and meets no condition.
   */
  readonly fields: Readonly<Record<string, FieldReader<Predicate>>>
  /** Whether it states that the model failed. Such a statement satisfies only what asks for its `result`. */
  hasFailed?(predicate: Predicate): boolean
  /** What was measured, for conditions about a metric. */
  measurements?(predicate: Predicate): readonly Measurement[]
}

/** A file that an attestation is made from. */
export interface AttestationFile {
  bytes: Uint8Array
  /** Its path, for messages. */
  file?: string
  /** The name of the model or dataset. */
  name: string
}

/** Declared as a method, so that kinds with different predicates fit into one list. */
type FieldReader<Predicate> = { read(predicate: Predicate): readonly (FieldValue | undefined)[] }['read']

/** Makes the error about a field. An empty path is the predicate itself. */
export type PredicateFault = (field: string, expected: string, found: unknown) => ModelSealError

/** Makes errors about fields of something that was read from a file. */
export function faultsIn(code: ErrorCode, cannot: string, file: string | undefined): PredicateFault {
  return (field, expected, found) => {
    if (expected === NO_SUCH_FIELD)
      return new ModelSealError(code, `${cannot}: ${shown(field)} is not a known field.`, {
        file,
        // Who reads a statement did not write it.
        ...(code === 'ATTESTATION_INPUT' && { hint: 'Correct its name, or remove the field.' }),
      })
    const reason = field === '' ? 'its content is invalid' : `its field ${shown(field)} is invalid`
    return new ModelSealError(code, `${cannot}: ${reason}.`, { file, expected, found: described(found) })
  }
}

function described(found: unknown): string {
  if (found === undefined) return 'nothing'
  if (typeof found === 'string') return shown(found)
  return typeof found === 'number' || typeof found === 'boolean' ? String(found) : kindOf(found)
}

/**
 * Checks a predicate against a schema.
 *
 * @returns a copy without prototypes that has only the described fields
 */
export function readBy<Value>(schema: s.Schema<Value>, predicate: unknown, fault: PredicateFault): Value {
  const checked = schema.check(predicate)
  if ('value' in checked) return checked.value
  const issue = foremost(checked.issues)
  if (issue.code !== 'unrecognized_keys') {
    throw fault(pathOf(issue.path), issue.message.replace(/^expected /, ''), issue.input)
  }
  const [name = ''] = issue.keys
  throw fault(pathOf([...issue.path, name]), NO_SUCH_FIELD, name)
}

/** The issue to report. Among alternatives, it is that of the one which the value has the type of. */
function foremost([first, ...others]: readonly [Issue, ...Issue[]]): Issue {
  // A misspelt field is also a missing one.
  const issue = [first, ...others].find(({ code }) => code === 'unrecognized_keys') ?? first
  if (issue.code !== 'invalid_union') return issue
  const tried = issue.errors.flatMap(([one, ...more]) => (one ? [[one, ...more] as [Issue, ...Issue[]]] : []))
  const [meant, ...similar] = tried.filter((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  if (meant && similar.length === 0) {
    const inside = foremost(meant)
    return { ...inside, path: [...issue.path, ...inside.path] }
  }
  const expected = new Set(tried.map((issues) => foremost(issues).message.replace(/^expected /, '')))
  return { ...issue, message: [...expected].join(', or ') }
}

/** What is expected in place of an unknown field. */
const NO_SUCH_FIELD = 'no such field'

function pathOf(path: Issue['path']): string {
  return path.reduce<string>((above, part) => {
    if (typeof part === 'number') return `${above}[${part}]`
    return above === '' ? String(part) : `${above}.${String(part)}`
  }, '')
}

/** Infers the type of the predicate. */
export function defineKind<Predicate>(kind: AttestationKind<Predicate>): AttestationKind<Predicate> {
  return kind
}
