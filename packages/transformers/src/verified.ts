import { ModelSealError, type LoadOutcome, type OpenOptions } from '@modelseal/core'
import { openOptions } from '@modelseal/core/adapter'
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
import { loadVerified, type Loader } from './load-verified.ts'

/**
 * Gives `pipeline` and all classes with `from_pretrained`, with the signatures of Transformers.js'
 * own, that load a model only if its signature satisfies the trust policy. Configuration, tokenizer
 * and ONNX files come from what was verified, and nothing is fetched from anywhere else.
 *
 * In place of a model's name they take the path of its signed directory. Options pass through,
 * except those that would load something else. Verdicts are published on the `VERDICT_CHANNEL` of
 * `@modelseal/core`; see also {@link verdictOf}. Transformers.js itself stays as it is: what is
 * loaded by its own functions, at the same time, too, is not touched.
 *
 * @param transformers the module `@huggingface/transformers`, version 4
 * @param given options of every load, as they are now: relative paths are those of the present working directory
 * @returns functions that reject with a `ModelSealError`: what `openVerifiedModel` throws, before
 * Transformers.js loads anything, such as `POLICY_NO_MATCH`, `BUNDLE_NOT_FOUND`,
 * `SIGNER_NOT_TRUSTED`, `SIGNATURE_INVALID`, `FILE_MISMATCH`, `FILE_MISSING`, `FILE_UNSIGNED`;
 * `INVALID_ARGUMENT` (no local directory, options); `MODEL_FORMAT`, `PATH_ESCAPES` (ONNX files);
 * `FILE_NOT_SIGNED` (the model needs a file that is not part of it); `RUNTIME_FAILED`
 * (Transformers.js does not load the verified model)
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` where this is no Transformers.js 4
 * @example
 * ```ts
 * import * as transformers from '@huggingface/transformers'
 * const { pipeline, AutoTokenizer } = verified(transformers, { policy: 'trust-policy.yaml' })
 * const embed = await pipeline('feature-extraction', 'models/all-MiniLM-L6-v2')
 * ```
 */
export function verified<T extends Transformers>(transformers: T, given?: OpenOptions): Loaders<T> {
  const options = openOptions(given)
  checkLibrary(transformers)
  divideEnv(transformers.env)
  const load = async (loader: Loader, directory: unknown, own: unknown) => {
    const { loaded, verdict } = await loadVerified(transformers, loader, directory, options, own)
    if (typeof loaded === 'object' || typeof loaded === 'function') verdicts.set(loaded as object, verdict)
    return loaded
  }
  const loaders = Object.entries(transformers).flatMap(([name, value]: [string, unknown]): [string, unknown][] => {
    if (name === 'pipeline') {
      const pipeline = async (task: unknown, directory: unknown, given?: unknown) =>
        load(pipelineLoader(transformers, task), directory, given)
      return [[name, pipeline]]
    }
    if (!isPretrainedClass(value)) return []
    const from_pretrained = (directory: unknown, given?: unknown) =>
      load(classLoader(transformers, value), directory, given)
    return [[name, withLoader(value, from_pretrained)]]
  })
  return Object.fromEntries(loaders) as Loaders<T>
}

/**
 * Who signed what a function of {@link verified} has loaded, and which rule accepted it.
 *
 * @returns undefined for what was not loaded by one of them
 * @example
 * ```ts
 * const embed = await pipeline('feature-extraction', 'models/all-MiniLM-L6-v2')
 * console.log(verdictOf(embed)?.rule)
 * ```
 */
export function verdictOf(loaded: object): LoadOutcome['verdict'] | undefined {
  return verdicts.get(loaded)
}

const verdicts = new WeakMap<object, LoadOutcome['verdict']>()

function pipelineLoader({ pipeline, ModelRegistry }: Transformers, task: unknown): Loader {
  if (typeof task !== 'string') {
    throw new ModelSealError('INVALID_ARGUMENT', 'The task of the pipeline is not a string.', {
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

/** What tokenizers, processors and configurations are made of. */
const WITHOUT_SESSION = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'chat_template.jinja',
]

/** The class itself, but for one of its functions: `instanceof` and `new` are as before. */
function withLoader(original: PretrainedClass, from_pretrained: unknown): PretrainedClass {
  return new Proxy(original, {
    get: (target, name, receiver) =>
      name === 'from_pretrained' ? from_pretrained : (Reflect.get(target, name, receiver) as unknown),
  })
}
