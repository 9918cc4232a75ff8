import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { isArray, kindOf } from '@modelseal/core/any-realm'
import type { InferenceSession } from 'onnxruntime-node'
import type { OnnxInMemory, PlacedOnnx } from './model-files.ts'

/** A checked copy of the caller's options, so that the runtime gets what was checked. */
export interface CheckedSessionOptions extends InferenceSession.SessionOptions {
  extra: Record<string, string>
}

/**
 * Copies the caller's options. Refuses options that would let the runtime read unverified files.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedSessionOptions(given: unknown = {}): CheckedSessionOptions {
  const options = optionsCopy(given)
  if (options.externalData !== undefined) {
    throw refused('externalData', 'External data is read from the signed model. Omit the option.')
  }
  const extra: Record<string, string> = {}
  readable(() => flatten(options.extra ?? {}, '', extra, 0))
  for (const name of Object.keys(extra)) {
    if (READS_FILES.test(name)) throw refused(`extra.${name}`, 'Everything that the runtime reads must be verified.')
  }
  return { ...options, extra }
}

/**
 * Like {@link checkedSessionOptions}, for options that may come from {@link sessionOptionsFor}. Drops what these say about the
 * model, so that it can be set again.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedAgain(given: unknown = {}): CheckedSessionOptions {
  const options = optionsCopy(given)
  delete options.externalData
  const extra = Object.entries(readable(() => ({ ...options.extra }))).filter(
    ([name]) => name !== FORMAT && name !== FOLDER,
  )
  return checkedSessionOptions({ ...options, extra: Object.fromEntries(extra) })
}

/** onnxruntime_session_options_config_keys.h: the format of a model, and the folder of a model from memory. */
const FORMAT = 'session.load_model_format'
const FOLDER = 'session.model_external_initializers_file_folder_path'

/** Removes the folder, for a runtime that reads none. */
export function withoutFolder(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const extra = Object.entries({ ...options.extra }).filter(([name]) => name !== FOLDER)
  return { ...options, extra: Object.fromEntries(extra) }
}

/** A copy of the caller's options as they are now. @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function optionsCopy(given: unknown = {}): InferenceSession.SessionOptions {
  if (typeof given !== 'object' || given === null || isArray(given) || ArrayBuffer.isView(given))
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid session options: expected an object.', {
      found: kindOf(given),
    })
  return readable(() => ({ ...given }))
}

/** Getters and proxies of the caller may throw anything. */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot read the session options.', { cause })
  }
}

/** Tells the runtime to read a model in the format that was checked, and its files from nowhere else. */
export function sessionOptionsFor(
  model: Pick<OnnxInMemory, 'format' | 'externalData'> | Pick<PlacedOnnx, 'format'>,
  options: CheckedSessionOptions,
): InferenceSession.SessionOptions {
  // Otherwise the runtime goes by the extension of a path, and by the content of a buffer.
  const extra: Record<string, string> = { ...options.extra, [FORMAT]: model.format }
  if (!('externalData' in model)) return { ...options, extra }
  // The runtime resolves relative paths in a model from memory against this folder instead of the working
  // directory. The folder does not exist, and nobody can guess its name and create it, so the runtime finds
  // nothing except the verified bytes that it was given.
  extra[FOLDER] = join(tmpdir(), `modelseal-none-${randomUUID()}`)
  return { ...options, extra, externalData: model.externalData }
}

/**
 * onnxruntime_session_options_config_keys.h: entries that name files and folders to read, or that make
 * the runtime read the bytes as something other than the checked ONNX model.
 */
const READS_FILES = /file|path|folder|format|context|library|partitioning|model_bytes|memory_mapped/i

const MAX_DEPTH = 8

/** Flattens nested objects to `a.b.c` like the runtime, so that it gets what was checked. */
function flatten(options: object, prefix: string, into: Record<string, string>, depth: number): void {
  for (const [key, value] of Object.entries(options) as [string, unknown][]) {
    const name = prefix + key
    if (typeof value === 'string') into[name] = value
    else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH)
      flatten(value, `${name}.`, into, depth + 1)
    else throw refused(`extra.${name}`, 'Its values must be strings or objects of strings.')
  }
}

function refused(option: string, hint: string): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot use the session option ${shown(option)} for a verified model.`,
    { hint },
  )
}
