import type { ModelSource, SourceLoad, SourceSession } from '@modelseal/core/source'
import { openSnapshot } from './cache/cached-snapshot.ts'
import { hubLocation, type HubLocation } from './hub-location.ts'
import { HubSession } from './hub-session.ts'
import { hubSettings, type HuggingFaceOptions } from './hub-settings.ts'

/**
 * A model or dataset on Hugging Face, or a folder or file of one. The revision is resolved to a commit once, and all files are
 * read at that commit; the verdict has both. `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE` and
 * `HF_HUB_OFFLINE` mean what they mean to the Python library.
 *
 * Importing `@modelseal/hub` makes `hf:` URLs work wherever modelseal takes the path of a model. Call this function only
 * to set options.
 *
 * @param url `hf://ORG/NAME[@REVISION][/FOLDER|/FILE]` or `hf://datasets/ORG/NAME…`. The default revision is `main`
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid URL. Loads throw `MODEL_NOT_FOUND`, `HTTP_RESPONSE`,
 * `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_REDIRECT`, `SOURCE_FAILED` and `SOURCE_LISTING`
 * @example
 * ```ts
 * import { openVerifiedModel } from '@modelseal/core'
 * import { huggingFaceSource } from '@modelseal/hub'
 *
 * const source = huggingFaceSource('hf://org/vad@v1.0', { endpoint: 'https://hub.example' })
 * const model = await openVerifiedModel(source, { policy: 'modelseal.policy.yaml' })
 * console.log(model.verdict.model.revision) // The commit.
 * ```
 */
export function huggingFaceSource(url: string, options: HuggingFaceOptions = {}): ModelSource {
  const location = hubLocation(url)
  const { endpoint, token, offline, cache } = options
  const given = { endpoint, token, offline, cache }
  return { place: { url: location.url }, open: (load) => openSession(location, given, load) }
}

async function openSession(
  location: HubLocation,
  options: HuggingFaceOptions,
  load: SourceLoad,
): Promise<SourceSession> {
  const settings = await hubSettings(options, process.env)
  if (settings.offline) return openSnapshot(location, settings, load)
  return HubSession.open({ location, settings, signal: load.signal, detached: load.detached })
}
