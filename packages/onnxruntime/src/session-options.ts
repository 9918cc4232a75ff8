import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core'
import { isArray, kindOf } from '@modelseal/core/any-realm'
import type { InferenceSession } from 'onnxruntime-node'
import type { OnnxInMemory, PlacedOnnx } from './model-files.ts'

/** Options of a caller that were checked, as a copy: what was checked is what the runtime gets. */
export interface CheckedSessionOptions extends InferenceSession.SessionOptions {
  extra: Record<string, string>
}

/**
 * Copies the caller's options, and refuses what would let the runtime read files that nobody
 * verified.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedSessionOptions(given: unknown = {}): CheckedSessionOptions {
  const options = optionsCopy(given)
  if (options.externalData !== undefined) {
    throw refused('externalData', 'External data is read from the signed model; leave the option out.')
  }
  const extra: Record<string, string> = {}
  readable(() => flatten(options.extra ?? {}, '', extra, 0))
  for (const name of Object.keys(extra)) {
    if (READS_FILES.test(name)) throw refused(`extra.${name}`, 'Everything that the runtime reads has to be verified.')
  }
  return { ...options, extra }
}

/**
 * As {@link checkedSessionOptions}, for options that may be those of {@link sessionOptionsFor}: what these say of the model
 * is left out, and is said anew.
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

/** onnxruntime_session_options_config_keys.h: what a model is taken as, and where a model from memory has its files. */
const FORMAT = 'session.load_model_format'
const FOLDER = 'session.model_external_initializers_file_folder_path'

/** For a runtime that reads no folder. */
export function withoutFolder(options: InferenceSession.SessionOptions): InferenceSession.SessionOptions {
  const extra = Object.entries({ ...options.extra }).filter(([name]) => name !== FOLDER)
  return { ...options, extra: Object.fromEntries(extra) }
}

/** The caller's options at this moment. @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function optionsCopy(given: unknown = {}): InferenceSession.SessionOptions {
  if (typeof given !== 'object' || given === null || isArray(given) || ArrayBuffer.isView(given))
    throw new ModelSealError('INVALID_ARGUMENT', 'The session options are not an object.', { found: kindOf(given) })
  return readable(() => ({ ...given }))
}

/** Getters and proxies of the caller may throw anything. */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('INVALID_ARGUMENT', 'The session options cannot be read.', { cause })
  }
}

/** What the runtime is told about a model: to take it as what it was checked as, and from nowhere else. */
export function sessionOptionsFor(
  model: Pick<OnnxInMemory, 'format' | 'externalData'> | Pick<PlacedOnnx, 'format'>,
  options: CheckedSessionOptions,
): InferenceSession.SessionOptions {
  // Otherwise it goes by the ending of a path, and by the content of a buffer.
  const extra: Record<string, string> = { ...options.extra, [FORMAT]: model.format }
  if (!('externalData' in model)) return { ...options, extra }
  // A model from memory has its relative paths looked up in this folder, else in the working
  // directory. It does not exist, and nobody can guess its name to make it: what is not handed
  // over as verified bytes is not found.
  extra[FOLDER] = join(tmpdir(), `modelseal-none-${randomUUID()}`)
  return { ...options, extra, externalData: model.externalData }
}

/**
 * onnxruntime_session_options_config_keys.h: entries that name files and folders to read, or make
 * the runtime take the bytes for something other than the ONNX model that was checked.
 */
const READS_FILES = /file|path|folder|format|context|library|partitioning|model_bytes|memory_mapped/i

const MAX_DEPTH = 8

/** To `a.b.c` from objects in objects, as the runtime does it: what is checked is what it gets. */
function flatten(options: object, prefix: string, into: Record<string, string>, depth: number): void {
  for (const [key, value] of Object.entries(options) as [string, unknown][]) {
    const name = prefix + key
    if (typeof value === 'string') into[name] = value
    else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH)
      flatten(value, `${name}.`, into, depth + 1)
    else throw refused(`extra.${name}`, 'Its values are strings, or objects of strings.')
  }
}

function refused(option: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `The session option ${shown(option)} cannot be used here.`, { hint })
}
