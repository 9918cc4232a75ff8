import { plainPlace } from '../../absolute-path.ts'
import { isArray, kindOf, propertyOf, reasonOf } from '../../any-realm.ts'
import { ERROR_CODES, ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import { withoutSecrets } from '../../secrets.ts'
import { valueOf, withoutPrototype } from '../../snapshot.ts'
import type { LocalSource } from '../local/local-source.ts'
import type {
  BundleCandidate,
  BundleGroup,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  SourceEntry,
  SourceSession,
  SourceTimeouts,
  PlainModel,
} from '../model-source.ts'
import type { Watch } from './watch.ts'

// Reads each answer of a source once, into a plain record. An answer may be anything, and its getters may return
// something else on the next read.

/** More signers than any model has. Limits the cost of a directory full of `.sig` files. */
export const MAX_BUNDLES = 32
/** Maximum number of places in one group of bundles. */
const MAX_CANDIDATES = 1_000
/** Timers overflow beyond this many milliseconds. */
const LONGEST_TIMEOUT = 2 ** 31 - 1
/** Maximum number of names known without a listing. */
const MAX_NAMES = 100_000

/** @throws {@link ModelSealError} `SOURCE_FAILED`, and what reading the answer throws if it is typed */
export function answered<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ModelSealError ? unshared(error) : sourceFailed(what, reasonOf(error), error)
  }
}

export function checkedSession(given: SourceSession): SourceSession {
  const names = ['revision', 'requested', 'packageUrl', 'limit', 'timeouts'] as const
  const { revision, requested, packageUrl, limit, timeouts } = fields(given, 'what "open" returns', names)
  return withoutPrototype({
    revision: typeof revision === 'string' ? plainPlace(revision) : undefined,
    requested: typeof requested === 'string' ? plainPlace(requested) : undefined,
    packageUrl: packageUrl === undefined ? undefined : text(packageUrl, '"packageUrl"'),
    limit: limit === undefined ? undefined : checkedLimit(limit),
    timeouts: timeouts === undefined ? undefined : checkedTimeouts(timeouts),
    model: method(given, 'model'),
    bundles: method(given, 'bundles'),
    claims: optionalMethod(given, 'claims'),
    bundleAt: optionalMethod(given, 'bundleAt'),
    directories: optionalMethod(given, 'directories'),
    unverified: optionalMethod(given, 'unverified'),
    close: optionalMethod(given, 'close'),
  }) as SourceSession
}

function checkedLimit(given: unknown): SourceSession['limit'] {
  const { maxBytes, option } = fields(given, '"limit"', ['maxBytes', 'option'])
  if (!(isNumber(maxBytes) && maxBytes >= 0)) throw wrong('"limit.maxBytes"', 'a number of bytes', maxBytes)
  return { maxBytes, option: text(option, '"limit.option"') }
}

function checkedTimeouts(given: unknown): SourceTimeouts {
  const { idle, total } = fields(given, '"timeouts"', ['idle', 'total'])
  return { idle: milliseconds(idle, 'idle'), total: milliseconds(total, 'total') }
}

function milliseconds(given: unknown, name: string): number {
  if (!(isNumber(given) && given > 0)) throw wrong(`"timeouts.${name}"`, 'a number of milliseconds', given)
  return given === Infinity ? given : Math.min(given, LONGEST_TIMEOUT)
}

export function checkedFiles(given: ModelFiles): ModelFiles {
  const { path, name, isFile, local } = fields(given, 'the files of the model', ['path', 'name', 'isFile', 'local'])
  const place = local === undefined ? undefined : checkedLocal(local)
  return withoutPrototype({
    path: plainPlace(text(path, 'their "path"')),
    name: text(name, 'their "name"'),
    isFile: place ? place.kind === 'file' : isFile === true,
    read: method(given, 'read'),
    list: optionalMethod(given, 'list'),
    onDisk: optionalMethod(given, 'onDisk'),
    local: place,
  }) as ModelFiles
}

function checkedLocal(given: unknown): LocalSource {
  const local = fields(given, 'their "local"', ['kind', 'path', 'inode', 'givenPath', 'name'])
  const { kind, path, givenPath, name } = local
  const { dev, ino } = fields(local.inode, 'the inode of "local"', ['dev', 'ino'])
  if ((kind !== 'file' && kind !== 'directory') || typeof dev !== 'bigint' || typeof ino !== 'bigint')
    throw wrong('their "local"', 'a value returned by filesAt()', given)
  return {
    kind,
    path: text(path, 'a path'),
    inode: { dev, ino },
    givenPath: text(givenPath, 'a path'),
    name: text(name, 'a name'),
  }
}

/** The name itself is validated where it is compared. */
export function checkedEntry(given: SourceEntry): SourceEntry {
  return fields(given, 'an entry of the listing', ['name', 'size', 'sha256', 'version']) as unknown as SourceEntry
}

export function checkedGroup(given: BundleGroup): BundleGroup {
  const group = fields(given, 'places of bundles', ['candidates', 'directory', 'unordered', 'looked', 'nested'])
  const { candidates, directory, unordered, looked, nested } = group
  return withoutPrototype({
    candidates: whole(candidates, 'their "candidates"', MAX_CANDIDATES).map(checkedCandidate),
    directory: directory === undefined ? undefined : checkedDirectory(directory),
    unordered: unordered === true,
    looked:
      looked === undefined
        ? undefined
        : list(looked, 'their "looked"', MAX_BUNDLES).map((place) => plainPlace(text(place, 'a place'))),
    nested: nested === undefined ? undefined : plainPlace(text(nested, 'their "nested"')),
  })
}

export function checkedCandidate(given: unknown): BundleCandidate {
  const { path, mixed } = fields(given, 'a bundle', ['path', 'mixed'])
  const read = method(given as object, 'read') as BundleCandidate['read']
  return { path: plainPlace(text(path, 'the "path" of a bundle')), mixed: mixed === true, read }
}

export function checkedClaims(given: ClaimsCandidate): ClaimsCandidate {
  const { lines, name } = fields(given, 'a place of attestations', ['lines', 'name'])
  return withoutPrototype({
    ...checkedCandidate(given),
    lines: lines === true,
    name: name === undefined ? undefined : text(name, 'the "name" of a place of attestations'),
  })
}

/** Its name is read lazily, because only directories that are used need one. */
export function checkedDirectory(given: unknown): ModelDirectory {
  const files = method(object(given, 'a directory'), 'files') as ModelDirectory['files']
  let name: string | undefined
  return {
    get entry() {
      const what = 'directory of the model'
      return (name ??= answered(what, () => text(fields(given, what, ['entry']).entry, 'its "entry"')))
    },
    files: async () => {
      const found = await files()
      return answered('directory of the model', () => checkedFiles(found))
    },
  }
}

export function checkedUnverified(given: PlainModel): PlainModel {
  const { files, entry, names } = fields(given, 'the unverified model', ['files', 'entry', 'names'])
  return withoutPrototype({
    files: checkedFiles(files as ModelFiles),
    entry: entry === undefined ? undefined : text(entry, 'its "entry"'),
    names: names === undefined ? undefined : list(names, 'its "names"', MAX_NAMES).map((name) => text(name, 'a name')),
  })
}

/** Reads each property once, and none from `Object.prototype`. */
function fields<K extends string>(given: unknown, what: string, names: readonly K[]): Record<K, unknown> {
  const of = object(given, what)
  const read = Object.create(null) as Record<K, unknown>
  for (const name of names) read[name] = valueOf(of, name)
  return read
}

function object(given: unknown, what: string): object {
  if (typeof given === 'object' && given !== null) return given
  throw wrong(what, 'an object', given)
}

function text(given: unknown, what: string): string {
  if (typeof given === 'string') return given
  throw wrong(what, 'a string', given)
}

function list(given: unknown, what: string, most: number): unknown[] {
  if (isArray(given)) return Array.from({ length: Math.min(given.length, most) }, (_, index) => given[index])
  throw wrong(what, 'an array', given)
}

/** A list of which nothing may be left out. */
function whole(given: unknown, what: string, most: number): unknown[] {
  const items = list(given, what, most + 1)
  if (items.length <= most) return items
  throw new TypeError(`${what} should be at most ${most}`)
}

function isNumber(given: unknown): given is number {
  return typeof given === 'number'
}

/** Bound to the answer, which may be an instance of a class. */
function method(of: object, name: string): unknown {
  const found = optionalMethod(of, name)
  if (found) return found
  throw wrong(`"${name}"`, 'a function', undefined)
}

function optionalMethod(of: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  const found = valueOf(of, name)
  if (found === undefined) return undefined
  if (typeof found !== 'function') throw wrong(`"${name}"`, 'a function', found)
  return (...args) => Reflect.apply(found, of, args) as unknown
}

function wrong(what: string, expected: string, given: unknown): TypeError {
  return new TypeError(`expected ${what} to be ${expected}, found ${kindOf(given)}`)
}

/** An iterator over the items, synchronous or asynchronous. */
export type Items<T> = Iterable<T> | AsyncIterable<T>

export function iteratorOf<T>(items: Items<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
}

/**
 * @throws TypeError if the iterator returns an invalid result; what the iterator throws; an error if the watch has
 * ended
 */
export async function nextOf<T>(
  iterator: AsyncIterator<T> | Iterator<T>,
  watch: Watch,
): Promise<{ done: boolean; value: T }> {
  const given = iterator.next()
  const result = isThenable(given) ? (await watch.unlessOver(boxed(() => given))).value : given
  const { done, value } = fields(result, 'the result of an iterator', ['done', 'value'])
  return { done: Boolean(done), value: value as T }
}

/** Not awaited, because it may never settle. */
export function leave(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  void (async () => iterator.return?.())().catch(() => {})
}

/**
 * What a source answers, now or later, in a box: an answer with a method `then` would be called again by whoever awaited it.
 *
 * @throws what the source throws, {@link unshared}
 */
export function boxed<T>(answer: () => T | PromiseLike<T>): Promise<{ value: T }> {
  const settled = new Promise<T>((resolve) => resolve(answer()))
  return settled.then(
    (value) => ({ value }),
    (error: unknown) => Promise.reject(unshared(error) as Error),
  )
}

/**
 * A copy of a typed error that a source threw. The load adds to its errors, and the source may have frozen this one, or
 * throw it in another load too.
 */
export function unshared(error: unknown): unknown {
  if (!(error instanceof ModelSealError)) return error
  const [code, message] = [propertyOf(error, 'code'), propertyOf(error, 'message')]
  if (!isErrorCode(code) || typeof message !== 'string') return new TypeError('it threw an error with an unknown code')
  const [file, signer, expected, found, hint] = DETAILS.map((name) => {
    const detail = propertyOf(error, name)
    return typeof detail === 'string' ? detail : undefined
  })
  const copy = new ModelSealError(code, '', { file, signer, expected, found, hint })
  copy.message = withoutSecrets(message)
  return copy
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
}

const DETAILS = ['file', 'signer', 'expected', 'found', 'hint'] as const

/** A promise of any realm. */
function isThenable<T>(given: T | PromiseLike<T>): given is PromiseLike<T> {
  return typeof given === 'object' && given !== null && 'then' in given
}

/** A message of the source may repeat the URL that it requested, with credentials. Schemes are bounded, so that the time stays linear. */
const URL_IN_TEXT = /[a-z][a-z0-9+.-]{1,64}:\/\/[^\s"'<>]*/gi

export function sourceFailed(what: string, found: string, cause?: unknown): ModelSealError {
  return new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: its source failed.`, {
    found: shown(found.replace(URL_IN_TEXT, plainPlace)),
    hint: 'Check the location of the model and the package that reads it.',
    cause,
  })
}
