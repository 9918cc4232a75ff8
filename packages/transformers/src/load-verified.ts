import { existsSync } from 'node:fs'
import {
  ModelSealError,
  openVerifiedModel,
  type ModelReader,
  type OpenedModel,
  type OpenOptions,
  type Verdict,
} from '@modelseal/core'
import {
  keepRevocable,
  outcomeOf,
  runtimeFailed,
  shown,
  withHint,
  withVerdict,
  type LoadOutcome,
  type Revocable,
} from '@modelseal/core/adapter'
import { messageOf } from '@modelseal/core/any-realm'
import { isHubId } from './hub-id.ts'
import type { Transformers } from './library.ts'
import { namedModel } from './named-model.ts'
import { refuseOutsideParts } from './outside-parts.ts'
import { checkedOptions, type CheckedOptions } from './pretrained-options.ts'
import { notSigned, ServedModel } from './served-model.ts'

/** How to call one loader of Transformers.js. */
export interface Loader {
  /** Lists the files that it may want, so that they are read while the model is verified. */
  expect(model: string, options: CheckedOptions): Promise<readonly string[]>
  load(model: string, options: object): Promise<unknown>
}

/** How to open models. */
interface Opening {
  /** Whether ids on Hugging Face are accepted. */
  readonly hub: boolean
  readonly open: OpenOptions
}

/** The arguments of the program, unchecked. */
export interface Asked {
  /** Path, URL, source or id. */
  directory: unknown
  /** Passed on to Transformers.js. */
  options: unknown
}

/**
 * Verifies the model in a directory and has Transformers.js load it from there.
 *
 * @throws {@link ModelSealError} see {@link verified}
 */
export async function loadVerified(
  transformers: Transformers,
  loader: Loader,
  { directory, options: given }: Asked,
  { hub, open }: Opening,
): Promise<LoadOutcome & { loaded: unknown }> {
  const { options, hubOptions } = checkedOptions(given)
  const { name: path, source } = namedModel({ given: directory, options: hubOptions, hub, env: transformers.env })
  const served: ServedModel[] = []
  try {
    const model = await openVerifiedModel(await source(), { ...open, format: 'onnx' }, (reader) => {
      const one = servedFrom(reader, path)
      served.push(one)
      return prepare(transformers, loader, options, one)
    })
    try {
      return { loaded: await loadConfirmed(transformers, loader, model, { path, options }), ...outcomeOf(model) }
    } finally {
      model.gathered.close()
      await model.close()
    }
  } catch (error) {
    throw hub ? error : orIdOnHub(error, directory)
  } finally {
    // Also after a refusal.
    for (const one of served) one.close()
  }
}

/** An id on Hugging Face, where only paths are accepted, is a path that leads nowhere. */
function orIdOnHub(error: unknown, given: unknown): unknown {
  const isNowhere = error instanceof ModelSealError && NOWHERE.has(error.code) && isHubId(given) && !existsSync(given)
  if (!isNowhere) return error
  const hint = `${shown(given)} was taken for a path. If it is a model on Hugging Face, set the option "hub": verified(transformers, { hub: true }).`
  return withHint(error, [hint, error.hint].filter(Boolean).join(' '))
}

const NOWHERE: ReadonlySet<string> = new Set(['POLICY_NO_MATCH', 'MODEL_NOT_FOUND', 'BUNDLE_NOT_FOUND'])

/** Returns the loaded object once it is certain that it was loaded from the verified files. */
async function loadConfirmed(
  transformers: Transformers,
  loader: Loader,
  model: OpenedModel<ServedModel>,
  { path, options }: Request,
): Promise<unknown> {
  const { gathered: served, verdict } = model
  try {
    const loaded = await served.run(transformers.env, () => loader.load(served.id, optionsFor(served, path, options)))
    await releasedUnless(loaded, () => {
      model.confirm()
      refuseOutsideParts(transformers, loaded)
      if (hasSessions(loaded)) keepRevocable(model, loaded, REVOCABLE)
    })
    return loaded
  } catch (cause) {
    throw refusal(cause, path, served, verdict)
  }
}

/** Pipelines and models have sessions of ONNX Runtime; tokenizers and configurations do not. */
function hasSessions(loaded: unknown): loaded is WithSessions {
  return typeof (loaded as Partial<WithSessions> | null)?.dispose === 'function'
}

interface WithSessions {
  dispose: () => unknown
  model?: WithSessions
  sessions?: Record<string, object>
}

const REVOCABLE: Revocable<WithSessions> = {
  asyncCalls: ['_call', 'forward', 'generate', 'run'],
  ends: ['dispose'],
  release: (loaded) => loaded.dispose(),
  parts: (loaded) => {
    // That of a pipeline; its sessions by name.
    const { model = loaded } = loaded
    return [...(model === loaded ? [] : [model]), ...Object.values(model.sessions ?? {})]
  },
}

/** The load that the program requested. */
interface Request {
  path: string
  options: CheckedOptions
}

/** Releases the ONNX Runtime sessions of a loaded model if the check refuses it. */
async function releasedUnless(loaded: unknown, check: () => void): Promise<void> {
  try {
    check()
  } catch (error) {
    // The refusal matters, not a failure to release.
    await release(loaded).catch(() => {})
    throw error
  }
}

async function release(loaded: unknown): Promise<void> {
  await ((loaded ?? {}) as { dispose?: () => unknown }).dispose?.()
}

function servedFrom(reader: ModelReader, path: string): ServedModel {
  if (reader.entry !== undefined) throw notDirectory(path)
  return new ServedModel(reader)
}

/** Reads the files that Transformers.js says it will load. */
async function prepare(
  { env }: Transformers,
  loader: Loader,
  options: CheckedOptions,
  served: ServedModel,
): Promise<ServedModel> {
  const wanted = await served.run(env, () =>
    loader.expect(served.id, options).catch((error: unknown) => {
      if (error instanceof ModelSealError) throw error
      // Loading will fail for the same reason with a better message.
      return []
    }),
  )
  const { subfolder } = options
  await served.prepare(typeof subfolder === 'string' ? wanted.map((name) => within(subfolder, name)) : wanted)
  return served
}

/** Adjusts a file name to the subfolder, because Transformers.js assumes its default one. */
function within(subfolder: string, name: string): string {
  return name.replace(/^onnx\//, () => (subfolder === '' ? '' : `${subfolder}/`))
}

function optionsFor(served: ServedModel, path: string, options: CheckedOptions): object {
  const { progress_callback: report, session_options } = options
  return {
    ...options,
    session_options: served.sessionOptions(session_options),
    ...(report && { progress_callback: (info: object) => report(withName(info, served.id, path)) }),
  }
}

/** Replaces the identifier of the model by its path, which is all that the caller knows. */
function withName(info: object, id: string, path: string): object {
  const entries = Object.entries(info) as [string, unknown][]
  return Object.fromEntries(entries.map(([name, value]) => [name, value === id ? path : value]))
}

function notDirectory(path: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot load the model ${shown(path)}: it is not a signed directory.`, {
    file: path,
    expected: 'the directory that contains "config.json" and "model.sig"',
    found: 'a file or a subdirectory of a signed directory',
  })
}

function refusal(cause: unknown, path: string, served: ServedModel, verdict: Verdict): ModelSealError {
  const message = messageOf(cause)
  const missing = served.missing.find((name) => message.includes(`"${served.urlOf(name)}"`))
  if (missing !== undefined && !(cause instanceof ModelSealError)) return withVerdict(notSigned(missing), verdict)
  return runtimeFailed(cause, verdict, {
    runtime: 'Transformers.js',
    found: message.replaceAll(served.id, path),
    hint: 'Check that this version of Transformers.js supports the model and the options.',
  })
}
