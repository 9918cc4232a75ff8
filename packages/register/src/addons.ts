import { ModelSealError } from '@modelseal/core/errors'
import { isCleared, isClearedData } from './clearance.ts'
import { refuse } from './mode.ts'

/**
 * The last guard before native code. Whichever way a program reaches a runtime's addon (through another copy of the
 * package, its internal files, or a bundle), the addon loads only what was judged.
 */
export function guardAddons(): void {
  const dlopen = process.dlopen.bind(process)
  process.dlopen = function (module, filename, ...rest) {
    dlopen(module, filename, ...(rest as [number]))
    const addon = module as { exports: unknown }
    if (isOnnxRuntimeAddon(addon.exports)) guardSessions(addon.exports)
    else if (isTensorFlowAddon(addon.exports)) addon.exports = withGuardedSavedModels(addon.exports)
  }
}

type Load = (...args: unknown[]) => unknown

interface NativeSession {
  loadModel(...args: unknown[]): unknown
}

interface OnnxRuntimeAddon {
  InferenceSession: new (...args: unknown[]) => NativeSession
}

interface TensorFlowAddon {
  loadSavedModel: Load
}

function isOnnxRuntimeAddon(exports: unknown): exports is OnnxRuntimeAddon {
  const { InferenceSession } = exports as Partial<OnnxRuntimeAddon>
  return typeof InferenceSession === 'function' && 'loadModel' in InferenceSession.prototype
}

/** The methods of the class cannot be replaced, but the class can. */
function guardSessions(exports: OnnxRuntimeAddon): void {
  exports.InferenceSession = class InferenceSession extends exports.InferenceSession {
    override loadModel(...args: unknown[]): unknown {
      const given = args.map(withOwnData)
      if (!isCleared(args[0]) || !given.every(hasClearedData))
        refuse('a session of onnxruntime-node', unguarded('onnxruntime-node'))
      return super.loadModel(...given)
    }
  }
}

interface ExternalData {
  path: unknown
  data: unknown
}

/** Reads the weights in buffers from the options once, so that the runtime gets what was checked. */
function withOwnData(argument: unknown): unknown {
  if (typeof argument !== 'object' || argument === null || !('externalData' in argument)) return argument
  const { externalData } = argument
  if (!Array.isArray(externalData)) return { ...argument, externalData }
  return { ...argument, externalData: externalData.map(({ path, data }: ExternalData) => ({ path, data })) }
}

function hasClearedData(argument: unknown): boolean {
  const { externalData } = (argument ?? {}) as { externalData?: unknown }
  if (externalData === undefined || externalData === null) return true
  return Array.isArray(externalData) && externalData.every(({ data }: ExternalData) => isClearedData(data))
}

function isTensorFlowAddon(exports: unknown): exports is TensorFlowAddon {
  return typeof (exports as Partial<TensorFlowAddon>).loadSavedModel === 'function'
}

/** The properties of the addon cannot be replaced, so this returns a copy. */
function withGuardedSavedModels(exports: TensorFlowAddon): TensorFlowAddon {
  const { loadSavedModel } = exports
  const value: Load = (...args) => {
    if (!isCleared(args[0])) refuse('a SavedModel', unguarded('TensorFlow.js'))
    return loadSavedModel(...args)
  }
  const properties = { ...Object.getOwnPropertyDescriptors(exports), loadSavedModel: { value } }
  return Object.defineProperties({}, properties) as TensorFlowAddon
}

function unguarded(runtime: string): ModelSealError {
  return new ModelSealError(
    'RUNTIME_UNGUARDED',
    `Cannot load a model: it would reach the native code of ${runtime} unchecked.`,
    {
      hint:
        'Load the model with the public functions of the package, keep the package out of bundles, and do not load its internal files. ' +
        'Run Jest and other programs that create node:vm contexts without @modelseal/register.',
    },
  )
}
