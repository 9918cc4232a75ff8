import { types } from 'node:util'
import { isArray, kindOf } from './any-realm.ts'
import { ModelSealError, shown } from './errors.ts'
import { invalidOption, type Copy } from './kinds.ts'
import { didYouMean } from './nearest.ts'

/** How to check and copy each option; true for one that is passed on unchanged and checked where it is used. */
export type Shape<O> = Readonly<Record<keyof O & string, Copy | true>>

/**
 * A snapshot of the options of a call: frozen, and without a prototype. Every known option is read exactly once, so a
 * getter or a proxy cannot return one value for the check and another for the use, and later changes have no effect. An
 * option that is not given is `undefined` in the snapshot itself, so that nothing on `Object.prototype` can replace it,
 * not even in copies of the snapshot.
 *
 * @param of the function that the options belong to, for errors about unknown ones
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an option that is not in the shape
 */
export function snapshot<O extends object>(given: O | undefined, shape: Shape<O>, of: string): Readonly<O> {
  const known = Object.keys(shape) as (keyof O & string)[]
  const options = optionsOf(given, of)
  const unknown = readable(of, () => namesOf(options)).find((name) => !Object.hasOwn(shape, name))
  if (unknown !== undefined) {
    throw new ModelSealError('INVALID_ARGUMENT', `Unknown option ${shown(unknown)} for ${of}.`, {
      expected: known.join(', '),
      found: shown(unknown),
      hint: didYouMean(unknown, known).trim() || undefined,
    })
  }
  return knownOptions(options as O, shape, of)
}

/**
 * Like {@link snapshot}, but ignores unknown fields. For values that other functions return, such as keys.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the options are not an object, lack a required one, or have a value of the
 * wrong kind
 */
export function knownOptions<O extends object>(given: O | undefined, shape: Shape<O>, of: string): Readonly<O> {
  const options = optionsOf(given, of)
  const copied = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(shape) as (keyof O & string)[]) {
    const copy = shape[name]
    copied[name] = readable(of, () => copyOf(valueOf(options, name), copy, name))
  }
  return Object.freeze(copied) as Readonly<O>
}

function copyOf(value: unknown, copy: Copy | true, option: string): unknown {
  if (copy === true) return value
  if (value !== undefined) return copy(value, option)
  if (!Object.hasOwn(copy, 'required')) return undefined
  throw new ModelSealError('INVALID_ARGUMENT', `The option "${option}" is missing.`)
}

/** Getters and proxies of the caller may throw anything. */
function readable<T>(of: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('INVALID_ARGUMENT', `The options of ${of} cannot be read.`, {
      hint: 'Give a plain object whose properties are the options.',
      cause,
    })
  }
}

/** An independent object with the same properties, each read once, and no prototype. */
export const plainCopy: Copy = (value, option) => {
  if (typeof value === 'object' && value !== null && !isArray(value)) return Object.freeze(withoutPrototype(value))
  throw invalidOption(option, 'an object', value)
}

/** Like {@link plainCopy}, for an object of strings. */
export const textsCopy: Copy = (value, option) => {
  const copied = plainCopy(value, option) as Readonly<Record<string, unknown>>
  const [name, other] = Object.entries(copied).find(([, one]) => typeof one !== 'string') ?? []
  if (name === undefined) return copied
  throw invalidOption(`${option}.${name}`, 'a string', other)
}

/** The same properties, each read once, on an object without a prototype: missing ones are then `undefined`. */
export function withoutPrototype<T extends object>(given: T): T {
  const copied = Object.create(null) as Record<string, unknown>
  for (const name of namesOf(given)) copied[name] = valueOf(given, name)
  return copied as T
}

/** Parsed data without prototypes at any level, so that a missing field is always `undefined`. */
export function parsedWithoutPrototypes<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => parsedWithoutPrototypes(item)) as T
  if (typeof value !== 'object' || value === null) return value
  const prototype = Object.getPrototypeOf(value) as object | null
  // Only `Object.prototype` of this or another realm has it.
  if (prototype !== null && !Object.hasOwn(prototype, 'isPrototypeOf')) return value
  const copied = Object.create(null) as Record<string, unknown>
  for (const [name, item] of Object.entries(value)) copied[name] = parsedWithoutPrototypes(item as unknown)
  return copied as T
}

function optionsOf(given: unknown, of: string): object {
  if (given === undefined) return Object.create(null) as object
  if (typeof given === 'object' && given !== null && isPlain(given)) return given
  throw new ModelSealError('INVALID_ARGUMENT', `The options of ${of} are not an object.`, { found: kindOf(given) })
}

/** Refuses a buffer, a URL or an error. Reads nothing unnecessary from a proxy. */
function isPlain(given: object): boolean {
  return types.isProxy(given) ? !isArray(given) : kindOf(given) === 'an object'
}

/** Enumerable properties, including inherited ones except those of `Object.prototype`. */
function namesOf(object: object): string[] {
  return levelsOf(object).flatMap((level) => Object.keys(level))
}

/** A property, read once; undefined if only `Object.prototype` has it. */
export function valueOf(object: object, name: string): unknown {
  const own = levelsOf(object).some((level) => Object.hasOwn(level, name))
  // A proxy may return properties that it does not list.
  if (!own && (!types.isProxy(object) || name in Object.prototype)) return undefined
  return Reflect.get(object, name) as unknown
}

/** The object and its prototypes, without `Object.prototype` of this or another realm. */
function levelsOf(object: object): object[] {
  const levels: object[] = [object]
  for (;;) {
    const above = Object.getPrototypeOf(levels.at(-1)) as object | null
    if (above === null || Object.hasOwn(above, 'isPrototypeOf')) return levels
    levels.push(above)
  }
}
