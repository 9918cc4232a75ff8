import { AsyncResource } from 'node:async_hooks'
import { ModelSealError, shown } from '@modelseal/core'
import { isArray, kindOf } from '@modelseal/core/any-realm'
import { checkedSessionOptions, type CheckedSessionOptions } from '@modelseal/onnxruntime/model-files'

/** Options of Transformers.js that choose among the files of the model, or how it runs. */
const PASSED_ON = [
  'config',
  'device',
  'dtype',
  'subfolder',
  'use_external_data_format',
  'model_file_name',
  'progress_callback',
  'session_options',
] as const

/** What these ask for is so, or has no meaning, where nothing is ever downloaded. */
const WITHOUT_EFFECT = ['local_files_only', 'cache_dir', 'revision'] as const

/** A copy of the caller's options, so that what was checked is what Transformers.js gets. */
export interface CheckedOptions extends Partial<Record<(typeof PASSED_ON)[number], unknown>> {
  progress_callback?: (info: object) => void
  session_options: CheckedSessionOptions
}

/**
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an option that is not known, because it
 * might name something else to load, and for session options that do
 */
export function checkedOptions(given: unknown): CheckedOptions {
  const options = copied(given)
  const known: readonly string[] = [...PASSED_ON, ...WITHOUT_EFFECT]
  const unknown = Object.keys(options).find((name) => !known.includes(name) && options[name] !== undefined)
  if (unknown !== undefined) throw refused(unknown, `Known are ${known.join(', ')}.`)
  checkRevision(options['revision'])
  for (const name of ['subfolder', 'model_file_name']) {
    const value = options[name]
    if (value !== undefined && value !== null && typeof value !== 'string')
      throw refused(name, `Give a string, not ${kindOf(value)}.`)
  }
  const { progress_callback: report } = options
  return {
    ...Object.fromEntries(PASSED_ON.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    session_options: checkedSessionOptions(options['session_options'] ?? {}),
    // Called where the caller called from, so that what it loads by itself is none of this load.
    ...(isCallback(report) && { progress_callback: AsyncResource.bind(report) }),
  }
}

function copied(given: unknown): Record<string, unknown> {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || isArray(given) || ArrayBuffer.isView(given)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The options of Transformers.js are not an object.', {
      found: kindOf(given),
    })
  }
  try {
    return { ...given }
  } catch (cause) {
    // Getters and proxies of the caller may throw anything.
    throw new ModelSealError('INVALID_ARGUMENT', 'The options of Transformers.js cannot be read.', { cause })
  }
}

function isCallback(value: unknown): value is (info: object) => void {
  return typeof value === 'function'
}

/** A caller who asks for a revision must not get whatever lies in the directory. */
function checkRevision(revision: unknown): void {
  if (revision === undefined || revision === null || revision === 'main') return
  throw refused('revision', 'The model is the one in the directory; its signature says which it is.')
}

function refused(option: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `The option ${shown(option)} cannot be used here.`, { hint })
}
