import type { ModelFormat } from '@modelseal/core'
import { ModelSealError } from '@modelseal/core/errors'
import type { TensorFlow } from '@modelseal/tfjs'
import { isCleared, underClearance, withClearance } from './clearance.ts'
import { judged, type Judging } from './judgement.ts'
import { refuse } from './mode.ts'
import { placeOf } from './place.ts'

type Loader = (...args: unknown[]) => unknown

/** Exports of one of the packages of TensorFlow.js: those of its functions that load models. */
export type TensorFlowExports = Record<string, unknown>

/** Replaces the loaders that these exports hold themselves; what only passes on another's is left alone. */
export function guardTensorFlow(exports: TensorFlowExports): void {
  for (const name of LOADERS) replaceOwn(exports, name, (original) => verifiedLoader(name, original))
  replaceOwn(exports, 'loadGraphModelSync', (original) => refusedLoader('loadGraphModelSync', original))
  const models = ownValue(exports, 'models')
  if (isObject(models))
    replaceOwn(models, 'modelFromJSON', (original) => refusedLoader('models.modelFromJSON', original))
  const GraphModel = ownValue(exports, 'GraphModel')
  if (typeof GraphModel === 'function') guardGraphModel(GraphModel.prototype as Record<string, unknown>)
}

/** What holds a loader of its own, and therefore has to be guarded. */
export function isTensorFlow(exports: unknown): exports is TensorFlowExports {
  return isObject(exports) && LOADERS.some((name) => typeof ownValue(exports, name) === 'function')
}

/** True for a file of one of TensorFlow.js's packages. */
export function isTensorFlowFile(file: string): boolean {
  return /[\\/]node_modules[\\/]@tensorflow[\\/]tfjs[\w-]*[\\/]/.test(file)
}

const LOADERS = ['loadGraphModel', 'loadLayersModel', 'loadSavedModel'] as const

const FORMATS = {
  loadGraphModel: 'tfjs-graph',
  loadLayersModel: 'tfjs-layers',
  loadSavedModel: 'saved-model',
} as const

function verifiedLoader(name: keyof typeof FORMATS, original: Loader): Loader {
  const cleared: Loader = (...args) => withClearance(args[0], () => original(...args))
  const plainly = (args: unknown[]) => () => cleared(...args)
  const tf = { [name]: cleared, node: { [name]: cleared } } as unknown as TensorFlow & SavedModels
  const format: ModelFormat = FORMATS[name]
  return async (...args) => {
    const [source, ...rest] = args
    if (typeof source !== 'string')
      return judged({ path: 'memory:', format }, (judging) => fromMemory(format, judging, plainly(args)), plainly(args))
    const { path, plain } = placeOf(source)
    const { verified } = await import('@modelseal/tfjs')
    return judged(
      { path, format },
      (judging) => verified(tf, judging)[name](...([path, ...rest] as never[])),
      // Without a scheme, only routers of the program's own know what the name means.
      plainly([name !== 'loadSavedModel' && !source.includes('://') ? source : plain, ...rest]),
    )
  }
}

type SavedModels = { node: { loadSavedModel: (...args: never[]) => Promise<unknown> } }

/** An IOHandler makes a model of whatever it likes. */
async function fromMemory(format: ModelFormat, judging: Judging, plainly: () => unknown): Promise<unknown> {
  const { judgeMemory } = await import('@modelseal/core')
  await judgeMemory(undefined, { ...judging, format })
  return await plainly()
}

/** For functions that would have to be judged before they return. */
function refusedLoader(name: string, original: Loader): Loader {
  return (...args) => {
    refuse(`a model of ${name}()`, unjudged(name))
    return withClearance(args[0], () => original(...args))
  }
}

function unjudged(name: string): ModelSealError {
  return new ModelSealError('SOURCE_UNKNOWN', `What ${name}() makes a model of cannot be judged.`, {
    hint: 'Load the model by its path, with loadGraphModel() or loadLayersModel().',
  })
}

/** The class can be used without the functions that load it. */
function guardGraphModel(prototype: Record<string, unknown>): void {
  const check = (passed: boolean) => {
    if (passed) return
    const error = new ModelSealError('RUNTIME_UNGUARDED', 'A GraphModel is loaded by its own methods, unchecked.', {
      hint: 'Use loadGraphModel() in place of new GraphModel().',
    })
    refuse('a GraphModel', error)
  }
  replaceOwn(
    prototype,
    'load',
    (load) =>
      function (this: { modelUrl: unknown }, ...args) {
        check(isCleared(this.modelUrl))
        return withClearance(this.modelUrl, () => load.apply(this, args))
      },
  )
  for (const name of ['loadSync', 'loadStreaming'])
    replaceOwn(
      prototype,
      name,
      (load) =>
        function (this: unknown, ...args) {
          check(underClearance())
          return load.apply(this, args)
        },
    )
}

const guards = new WeakSet()

/** Replaced are functions that the object holds itself, once. */
function replaceOwn(object: Record<string, unknown>, name: string, guard: (original: Loader) => Loader): void {
  const original = ownValue(object, name)
  if (typeof original !== 'function' || guards.has(original)) return
  const { configurable, writable } = Object.getOwnPropertyDescriptor(object, name) ?? {}
  if (!configurable && !writable) {
    const error = new ModelSealError(
      'RUNTIME_UNGUARDED',
      `In this copy of TensorFlow.js, ${name}() cannot be checked.`,
      {
        hint: 'Import @tensorflow/tfjs by its name, not by one of its files.',
      },
    )
    refuse('a copy of TensorFlow.js', error)
    return
  }
  const replacement = guard(original as Loader)
  guards.add(replacement)
  Object.defineProperty(object, name, { value: replacement })
}

function ownValue(object: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(object, name)?.value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
