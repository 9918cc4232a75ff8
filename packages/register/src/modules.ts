import Module from 'node:module'
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
 * In Node.js all runtimes are CommonJS modules, even if ES modules import them. They are recognized by their
 * exports, not by their names, so that copies, forks and aliases are also guarded.
 */
export function guardModules(): void {
  // No named import, which older versions of Node.js would reject before start() can say what is wrong.
  Module.registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      // Without a source, import() lets the CommonJS loader load the file, as it does without hooks.
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

/** Guards the one function that transpiling loaders, such as those of ts-node and tsx, also go through. */
function guardCommonJs(): void {
  const prototype = Module.prototype as unknown as Compiler
  const compile = prototype._compile
  prototype._compile = function (content, filename, ...rest) {
    const { loaders: hasLoaders, core } = marksIn(content)
    if ((hasLoaders || core) && !isTensorFlowFile(filename)) refuseInlinedRuntime(filename)
    const result = whileRunning(filename, () => compile.call(this, content, filename, ...rest))
    const { exports } = this
    if (isOnnxRuntime(exports)) guardOnnxRuntime(exports)
    // Programs may have functions with the same names, but not these words.
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

/** Whether these exports of a file would have been guarded. */
export function isRuntime(exports: unknown, file: string): boolean {
  return isOnnxRuntime(exports) || (isTensorFlowFile(file) && isTensorFlow(exports))
}

/** Whether this is onnxruntime-common or a module that re-exports all of it. */
function isOnnxRuntime(exports: unknown): exports is OnnxRuntimeExports {
  if (typeof exports !== 'object' || exports === null) return false
  if (!Object.hasOwn(exports, 'InferenceSession') || !Object.hasOwn(exports, 'env')) return false
  const { InferenceSession } = exports as Partial<OnnxRuntimeExports>
  return typeof InferenceSession === 'function' && 'create' in InferenceSession
}

/** The method of the backend that the SavedModel loader of tfjs-node calls. */
const SAVED_MODEL_MARK = 'loadSavedModelMetaGraph'

/** A bundle has its own copy of TensorFlow.js, whose functions cannot be reached from outside. */
function refuseInlinedRuntime(file: string): void {
  const error = new ModelSealError(
    'RUNTIME_UNGUARDED',
    `Cannot guard the module ${shown(file)}: it contains a copy of TensorFlow.js, whose loads cannot be checked.`,
    {
      file,
      hint: 'Make @tensorflow/tfjs an external package of the bundle, and import it by its name.',
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
