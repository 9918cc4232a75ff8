import { withoutPrototype } from '../snapshot.ts'

/** A value that a schema refuses. */
export type Issue = Refusal & {
  /** Field names and indexes, from the outermost value. */
  path: readonly PropertyKey[]
  /** What was found. */
  input: unknown
}

/** Why a value is refused. `message` says what was expected. */
export type Refusal = { message: string } & (
  | { code: 'invalid_type'; expected: TypeName }
  | { code: 'invalid_value'; values: readonly unknown[] }
  | { code: 'invalid_format' | 'invalid_key' | 'too_small' | 'too_big' }
  | { code: 'unrecognized_keys'; keys: readonly string[] }
  /** The issues of each alternative, with paths from the value that has alternatives. */
  | { code: 'invalid_union'; errors: readonly (readonly Issue[])[] }
  /** `values`: what was probably meant. */
  | { code: 'custom'; values?: readonly string[] }
)

export type TypeName = keyof typeof TYPES

/** In terms that authors of policies know. */
export const TYPES = {
  string: 'text',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'a list',
  object: 'fields with values',
  record: 'fields with values',
} as const

/** Nobody reads more, and each takes time and memory. */
const MAX_ISSUES = 10_000

/** Collects the issues of one value, up to a limit. */
export class Inspection {
  readonly issues: Issue[] = []
  /** Path of the value being inspected. */
  readonly path: PropertyKey[] = []
  /** The number of issues after which the type of a value is unknown, so that no further check can use it. */
  fatal = 0

  /** Adds an issue after which no other check of the value makes sense. */
  refuse(input: unknown, refusal: Refusal): void {
    this.fatal++
    this.add(input, refusal)
  }

  add(input: unknown, refusal: Refusal, below: readonly PropertyKey[] = []): void {
    if (this.issues.length < MAX_ISSUES)
      this.issues.push(withoutPrototype({ ...refusal, input, path: [...this.path, ...below] }))
  }
}
