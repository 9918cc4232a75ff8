import Module, { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { whileRunning } from './engines.ts'
import { marksIn } from './marks.ts'
import { refuse } from './mode.ts'
import { guardOnnxRuntime, type OnnxRuntimeExports } from './onnxruntime.ts'
import { guardTensorFlow, isTensorFlow, isTensorFlowFile } from './tensorflow.ts'

/**
 * Guards the runtimes among the modules of this thread, as they are loaded.
 *
 * In Node.js all of them are CommonJS, also where ES modules import them. They are known by what they
 * export, not by their names: copies, forks and aliases are guarded as well.
 */
export function guardModules(): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      // Without a source, import() has the CommonJS loader take the file, as it does where there are no hooks.
      if (loaded.format === 'commonjs' && url.startsWith('file:') && context.conditions.includes('import'))
        return { ...loaded, source: undefined }
      if (TEXTS.has(loaded.format ?? '')) {
        const file = url.startsWith('file:') ? fileURLToPath(url) : url
        const { loaders, core } = marksIn(textOf(loaded.source))
        if (loaders || (core && !isTensorFlowFile(file))) refuseInlinedRuntime(file)
      }
      return loaded
    },
  })
  guardCommonJs()
}

const TEXTS = new Set(['module', 'module-typescript', 'commonjs', 'commonjs-typescript'])

/** The one function through which also transpiling loaders go, such as those of ts-node and tsx. */
function guardCommonJs(): void {
  const prototype = Module.prototype as unknown as Compiler
  const compile = prototype._compile
  prototype._compile = function (content, filename, ...rest) {
    const { loaders: hasLoaders, core } = marksIn(content)
    if ((hasLoaders || core) && !isTensorFlowFile(filename)) refuseInlinedRuntime(filename)
    const result = whileRunning(filename, () => compile.call(this, content, filename, ...rest))
    const { exports } = this
    if (isOnnxRuntime(exports)) guardOnnxRuntime(exports)
    // Programs have functions of the same names, but not these words.
    else if (hasLoaders || content.includes(SAVED_MODEL_MARK)) {
      if (isTensorFlow(exports)) guardTensorFlow(exports)
      else if (hasLoaders) refuseInlinedRuntime(filename)
    }
    return result
  }
}

interface Compiler {
  exports: unknown
  _compile: (this: Compiler, content: string, filename: string, ...rest: unknown[]) => unknown
}

/** True for the exports of a file that would have been guarded. */
export function isRuntime(exports: unknown, file: string): boolean {
  return isOnnxRuntime(exports) || (isTensorFlowFile(file) && isTensorFlow(exports))
}

/** onnxruntime-common, and what passes all of it on. */
function isOnnxRuntime(exports: unknown): exports is OnnxRuntimeExports {
  if (typeof exports !== 'object' || exports === null) return false
  if (!Object.hasOwn(exports, 'InferenceSession') || !Object.hasOwn(exports, 'env')) return false
  const { InferenceSession } = exports as Partial<OnnxRuntimeExports>
  return typeof InferenceSession === 'function' && 'create' in InferenceSession
}

/** The file of tfjs-node that loads SavedModels calls this method of its backend. */
const SAVED_MODEL_MARK = 'loadSavedModelMetaGraph'

/** A bundle has its own copy of TensorFlow.js, whose functions nobody outside can reach. */
function refuseInlinedRuntime(file: string): void {
  const error = new ModelSealError(
    'RUNTIME_UNGUARDED',
    `The module ${shown(file)} has a copy of TensorFlow.js in it, whose loads cannot be checked.`,
    {
      file,
      hint: 'Leave @tensorflow/tfjs out of the bundle, as an external package, and import it by its name.',
    },
  )
  refuse(`the module ${shown(file)}`, error)
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | null | undefined): string {
  if (typeof source === 'string') return source
  if (!source) return ''
  const bytes = ArrayBuffer.isView(source)
    ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    : Buffer.from(source)
  return bytes.toString('latin1')
}
