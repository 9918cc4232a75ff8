import { AsyncResource } from 'node:async_hooks'
import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { isArray, kindOf } from '@modelseal/core/any-realm'
import { checkedSessionOptions, type CheckedSessionOptions } from '@modelseal/onnxruntime/model-files'

/** Options of Transformers.js that select files of the model or determine how it runs. */
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

/** Options that Transformers.js does not need, because it never downloads anything itself. */
const NOT_PASSED_ON = ['local_files_only', 'cache_dir', 'revision'] as const

/** What the caller asks of a hub. */
export interface HubOptions {
  readonly revision: string | undefined
  readonly localFilesOnly: boolean
}

/** A checked copy of the caller's options, so that Transformers.js gets exactly what was checked. */
export interface CheckedOptions extends Partial<Record<(typeof PASSED_ON)[number], unknown>> {
  progress_callback?: (info: object) => void
  session_options: CheckedSessionOptions
}

/**
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for unknown options, which might name something else to load, and for
 * session options that do
 */
export function checkedOptions(given: unknown): { options: CheckedOptions; hubOptions: HubOptions } {
  const options = copied(given)
  const known: readonly string[] = [...PASSED_ON, ...NOT_PASSED_ON]
  const unknown = Object.keys(options).find((name) => !known.includes(name) && options[name] !== undefined)
  if (unknown !== undefined) throw refusedOption(unknown, `Supported options: ${known.join(', ')}.`)
  for (const name of ['subfolder', 'model_file_name', 'revision']) {
    const value = options[name]
    if (value !== undefined && value !== null && typeof value !== 'string')
      throw refusedOption(name, `It must be a string, not ${kindOf(value)}.`)
  }
  const { progress_callback: report, revision, local_files_only: localFilesOnly } = options
  const checked = {
    ...Object.fromEntries(PASSED_ON.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    session_options: checkedSessionOptions(options['session_options'] ?? {}),
    // Runs in the caller's async context, so that loads inside the callback are not part of this load.
    ...(isCallback(report) && { progress_callback: AsyncResource.bind(report) }),
  }
  return {
    options: checked,
    hubOptions: {
      revision: typeof revision === 'string' ? revision : undefined,
      localFilesOnly: Boolean(localFilesOnly),
    },
  }
}

function copied(given: unknown): Record<string, unknown> {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || isArray(given) || ArrayBuffer.isView(given)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid options for Transformers.js: expected an object.', {
      found: kindOf(given),
    })
  }
  try {
    return { ...given }
  } catch (cause) {
    // The caller's getters and proxies may throw anything.
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot read the options for Transformers.js.', { cause })
  }
}

function isCallback(value: unknown): value is (info: object) => void {
  return typeof value === 'function'
}

export function refusedOption(option: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot use the option ${shown(option)} for a verified model.`, {
    hint,
  })
}
