import { ModelSealError, type Attestation, type AttestedContents, type OpenOptions } from '@modelseal/core'
import { loadOptions, noAttestations, type LoadOutcome } from '@modelseal/core/adapter'
import { kindOf } from '@modelseal/core/any-realm'
import { divideEnv } from './closed-env.ts'
import {
  checkLibrary,
  isPretrainedClass,
  loadsSessions,
  type Loaders,
  type PretrainedClass,
  type Transformers,
} from './library.ts'
import { loadVerified, type Asked, type Loader } from './load-verified.ts'

/** Options for every load. */
export interface VerifiedOptions extends OpenOptions {
  /**
   * True to accept ids of models on Hugging Face, such as `Xenova/all-MiniLM-L6-v2`, which needs the package
   * `@modelseal/hub`. A directory of that name in `env.localModelPath` comes first, as in Transformers.js. Write a path that
   * looks like an id as `./ORG/NAME`. Default: `false`.
   */
  readonly hub?: boolean | undefined
}

/**
 * Returns `pipeline` and all classes with `from_pretrained`. They have the types of Transformers.js but load a model
 * only if its signature satisfies the trust policy. Configuration, tokenizer and ONNX files come from verified bytes,
 * and nothing is fetched from anywhere else.
 *
 * Pass a signed directory instead of a model's name: its path, its `file:`, `http:` or `https:` URL (a string or a `URL`), or a
 * `ModelSource`; or, with the option `hub`, its id on Hugging Face. Options are passed on, except those that would load
 * something else. Verdicts are published on the `VERDICT_CHANNEL` of `@modelseal/core`; see also {@link verdictOf} and {@link attestationsOf}.
 * Transformers.js itself does not change: loads by its own functions, even at the same time, are not affected.
 *
 * @param transformers the module `@huggingface/transformers`, version 4
 * @param given options for every load, read now: relative paths are resolved against the current working directory
 * @returns functions that reject with a `ModelSealError`: what `openVerifiedModel` throws, before
 * Transformers.js loads anything, such as `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`,
 * `SIGNER_NOT_TRUSTED`, `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`;
 * `HTTP_…`, `SCHEME_UNKNOWN`; `INVALID_ARGUMENT` (not a directory, options); `MODEL_FORMAT`, `PATH_ESCAPES` (ONNX files);
 * `FILE_NOT_SIGNED` (the model needs a file that is not part of it); `RUNTIME_FAILED`
 * (Transformers.js cannot load the verified model)
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if `transformers` is not Transformers.js 4
 * @example
 * ```ts
 * import * as transformers from '@huggingface/transformers'
 * const { pipeline, AutoTokenizer } = verified(transformers, { policy: 'trust-policy.yaml' })
 * const embed = await pipeline('feature-extraction', 'models/all-MiniLM-L6-v2')
 * ```
 */
export function verified<T extends Transformers>(transformers: T, given?: VerifiedOptions): Loaders<T> {
  const { hub = false, ...open } = loadOptions(given, ['hub'])
  if (typeof hub !== 'boolean') throw notBoolean(hub)
  checkLibrary(transformers)
  divideEnv(transformers.env)
  const load = async (loader: Loader, asked: Asked) => {
    const { loaded, ...outcome } = await loadVerified(transformers, loader, asked, { hub, open })
    if (typeof loaded === 'object' || typeof loaded === 'function') outcomes.set(loaded as object, outcome)
    return loaded
  }
  const loaders = Object.entries(transformers).flatMap(([name, value]: [string, unknown]): [string, unknown][] => {
    if (name === 'pipeline') {
      const pipeline = async (task: unknown, directory: unknown, options?: unknown) =>
        load(pipelineLoader(transformers, task), { directory, options })
      return [[name, pipeline]]
    }
    if (!isPretrainedClass(value)) return []
    const from_pretrained = (directory: unknown, options?: unknown) =>
      load(classLoader(transformers, value), { directory, options })
    return [[name, withLoader(value, from_pretrained)]]
  })
  return Object.fromEntries(loaders) as Loaders<T>
}

/**
 * The verdict on an object that a function of {@link verified} has loaded: who signed it and which rule accepted it.
 *
 * @returns undefined for objects that were not loaded by one of them
 * @example
 * ```ts
 * const embed = await pipeline('feature-extraction', 'models/all-MiniLM-L6-v2')
 * console.log(verdictOf(embed)?.rule)
 * ```
 */
export function verdictOf(loaded: object): LoadOutcome['verdict'] | undefined {
  return outcomes.get(loaded)?.verdict
}

/**
 * What was attested about the model from which a function of {@link verified} has loaded an object, as far as the rule requires
 * it: attestations of one kind that satisfied the rule (`require.attestations`). Others are not believed, so they are not returned.
 *
 * @param type a kind, such as `evaluation`, or the URI of a predicate type
 * @returns none for objects that were loaded unverified, or not by one of these functions
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the type is neither
 * @example
 * ```ts
 * const embed = await pipeline('feature-extraction', 'models/all-MiniLM-L6-v2')
 * const [evaluation] = attestationsOf(embed, 'evaluation')
 * console.log(evaluation?.content.results, evaluation?.signer.description)
 * ```
 */
export function attestationsOf<Kind extends keyof AttestedContents>(
  loaded: object,
  type: Kind,
): Attestation<AttestedContents[Kind]>[]
export function attestationsOf(loaded: object, type: `${string}:${string}`): Attestation[]
export function attestationsOf(loaded: object, type: `${string}:${string}`): Attestation[] {
  const outcome = outcomes.get(loaded)
  return outcome?.decision === 'accepted' ? outcome.attestations(type) : noAttestations(type)
}

const outcomes = new WeakMap<object, LoadOutcome>()

function notBoolean(found: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "hub".', {
    expected: 'true or false',
    found: kindOf(found),
  })
}

function pipelineLoader({ pipeline, ModelRegistry }: Transformers, task: unknown): Loader {
  if (typeof task !== 'string') {
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid task of the pipeline.', {
      expected: 'a task, such as "feature-extraction"',
      found: kindOf(task),
    })
  }
  return {
    expect: (model, options) => ModelRegistry.get_pipeline_files(task, model, options),
    load: (model, options) => pipeline(...([task, model, options] as never[])),
  }
}

function classLoader(transformers: Transformers, loader: PretrainedClass): Loader {
  return {
    expect: (model, options) =>
      loadsSessions(transformers, loader)
        ? transformers.ModelRegistry.get_model_files(model, options)
        : Promise.resolve(WITHOUT_SESSION),
    load: (model, options) => loader.from_pretrained(...([model, options] as never[])),
  }
}

/** Files of tokenizers, processors and configurations. */
const WITHOUT_SESSION = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'chat_template.jinja',
]

/** Wraps the class with another `from_pretrained`. `instanceof` and `new` work as before. */
function withLoader(original: PretrainedClass, from_pretrained: unknown): PretrainedClass {
  return new Proxy(original, {
    get: (target, name, receiver) =>
      name === 'from_pretrained' ? from_pretrained : (Reflect.get(target, name, receiver) as unknown),
  })
}
