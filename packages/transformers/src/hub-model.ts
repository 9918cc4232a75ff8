import { ModelSealError, type ModelSource } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { propertyOf } from '@modelseal/core/any-realm'
import type * as Hub from '@modelseal/hub'
import type { HubOptions } from './pretrained-options.ts'

/** The settings in the `env` of Transformers.js for which `HF_ENDPOINT` decides, and which it sends tokens to. */
const HOST = 'https://huggingface.co'
const TEMPLATE = '{model}/resolve/{revision}/'

/**
 * The model on Hugging Face that an id names. The settings are read now; nothing is requested before the load.
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND` if `env` allows no remote models; `INVALID_ARGUMENT` for a setting
 * that cannot be honoured
 */
export function hubModel(
  id: string,
  { revision, localFilesOnly }: HubOptions,
  env: object,
): () => Promise<ModelSource> {
  if (propertyOf(env, 'allowRemoteModels') === false) throw notAllowed(id)
  const template = propertyOf(env, 'remotePathTemplate')
  if (template !== TEMPLATE) throw otherTemplate(template)
  // No revision contains the character that replaces half of a surrogate pair, so such a revision is refused like any other bad one.
  const url = `hf://${id}${revision === undefined ? '' : `@${encodeURIComponent(revision.toWellFormed())}`}`
  const endpoint = endpointOf(propertyOf(env, 'remoteHost'))
  return async () => {
    const { huggingFaceSource } = await importHub(id)
    return huggingFaceSource(url, { ...endpoint, ...(localFilesOnly ? { offline: true } : {}) })
  }
}

/**
 * The package that knows hubs and registries. Importing it makes `hf:` and `oci:` URLs work.
 *
 * @param model for the message
 * @throws {@link ModelSealError} `SCHEME_UNKNOWN` if it is not installed
 */
export async function importHub(model: string): Promise<typeof Hub> {
  try {
    return await import('@modelseal/hub')
  } catch (cause) {
    throw new ModelSealError(
      'SCHEME_UNKNOWN',
      `Cannot load ${shown(model)}: the option "hub" needs the package @modelseal/hub, which cannot be imported.`,
      { expected: '@modelseal/hub, installed beside @modelseal/transformers', hint: 'Install @modelseal/hub.', cause },
    )
  }
}

/** Another host that the program sets gets no token, as in Transformers.js. A mirror that needs one belongs in `HF_ENDPOINT`. */
function endpointOf(host: unknown): { endpoint?: string; token?: false } {
  const given = typeof host === 'string' ? host.replace(/\/+$/, '') : host
  if (given === HOST) return {}
  if (typeof given !== 'string') throw invalidSetting('remoteHost', 'the URL of a hub', typeof host)
  return given === process.env.HF_ENDPOINT?.replace(/\/+$/, '')
    ? { endpoint: given }
    : { endpoint: given, token: false }
}

function notAllowed(id: string): ModelSealError {
  return new ModelSealError('MODEL_NOT_FOUND', `Cannot load the model ${shown(id)}: env.allowRemoteModels is false.`, {
    file: id,
    expected: 'a directory of this name in env.localModelPath',
    hint: 'Put the signed model there and set env.allowLocalModels, or allow remote models.',
  })
}

function otherTemplate(found: unknown): ModelSealError {
  return invalidSetting('remotePathTemplate', shown(TEMPLATE), typeof found === 'string' ? shown(found) : typeof found)
}

function invalidSetting(name: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot use env.${name} for a verified model on a hub.`, {
    expected,
    found,
    hint: 'Set env.remoteHost or HF_ENDPOINT to a hub with the API of Hugging Face, or give the path of a signed directory.',
  })
}
