import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { propertyOf } from '@modelseal/core/any-realm'

/** The part of `@huggingface/transformers`, version 4, that this package uses. */
export interface Transformers {
  env: { version: string }
  pipeline: (...args: never[]) => Promise<unknown>
  PreTrainedModel: abstract new (...args: never[]) => object
  MgpstrProcessor: abstract new (...args: never[]) => object
  ModelRegistry: {
    get_pipeline_files(task: string, model: string, options?: object): Promise<string[]>
    get_model_files(model: string, options?: object): Promise<string[]>
  }
}

/** A class of Transformers.js that loads models, tokenizers, processors or configurations. */
export type PretrainedClass = (abstract new (...args: never[]) => object) & {
  from_pretrained: (...args: never[]) => Promise<unknown>
}

/** The functions and classes of Transformers.js that load models. */
export type Loaders<T extends Transformers> = {
  [Name in keyof T as Name extends 'pipeline' ? Name : T[Name] extends PretrainedClass ? Name : never]: T[Name]
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkLibrary(transformers: unknown): asserts transformers is Transformers {
  const env = typeof transformers === 'object' && transformers !== null ? propertyOf(transformers, 'env') : undefined
  const version = typeof env === 'object' && env !== null ? propertyOf(env, 'version') : undefined
  if (typeof version === 'string' && version.startsWith('4.')) return
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    'Invalid first argument: it is not a supported version of Transformers.js.',
    {
      expected: 'the module @huggingface/transformers, version 4',
      found: typeof version === 'string' ? `version ${shown(version)}` : 'something else',
      hint: 'Import it with `import * as transformers from "@huggingface/transformers"` and pass that module.',
    },
  )
}

export function isPretrainedClass(value: unknown): value is PretrainedClass {
  return typeof value === 'function' && typeof Reflect.get(value, 'from_pretrained') === 'function'
}

/** Whether a class loads ONNX files, and not only a tokenizer, a processor or a configuration. */
export function loadsSessions({ PreTrainedModel }: Transformers, loader: PretrainedClass): boolean {
  // 'MODEL_CLASS_MAPPINGS' identifies the AutoModel classes, whose base class is not exported.
  return loader === PreTrainedModel || loader.prototype instanceof PreTrainedModel || 'MODEL_CLASS_MAPPINGS' in loader
}
