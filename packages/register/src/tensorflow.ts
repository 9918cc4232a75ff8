import type { ModelFormat } from '@modelseal/core'
import { ModelSealError } from '@modelseal/core/errors'
import type { TensorFlow } from '@modelseal/tfjs/any-runtime'
import { isCleared, underClearance, withClearance } from './clearance.ts'
import { judged, judging, opening } from './judgement.ts'
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

type LoaderName = keyof typeof FORMATS

/** Of each function that is guarded, the one that loads what was judged. */
const behind = new WeakMap<object, Loader>()

function verifiedLoader(name: LoaderName, original: Loader): Loader {
  const cleared: Loader = (...args) => withClearance(args[0], () => original(...args))
  const plainly = (args: unknown[]) => () => cleared(...args)
  const tf = { [name]: cleared, node: { [name]: cleared } } as unknown as TensorFlow
  const format: ModelFormat = FORMATS[name]
  const loader: Loader = async (...args) => {
    const [source, ...rest] = args
    const judgedSource = sealedFor(name, source)
    if (judgedSource) return cleared(judgedSource.source, ...rest)
    if (typeof source !== 'string')
      return judged({ path: 'memory:', format }, () => fromMemory(format, plainly(args)), plainly(args))
    const { path, plain } = placeOf(source)
    const { loadOpened, tfLoad } = await import('@modelseal/tfjs/any-runtime')
    return judged(
      { path, format },
      async () => (await loadOpened(tfLoad(tf, name, {}, [path, ...rest]), opening())).model,
      // Without a scheme, only routers of the program's own know what the name means.
      plainly([name !== 'loadSavedModel' && !source.includes('://') ? source : plain, ...rest]),
    )
  }
  behind.set(loader, cleared)
  return loader
}

/**
 * The TensorFlow.js that an adapter was given, for what was judged: straight into its loaders where they are guarded. Where
 * other code stands between, such as a function of the program, it gets something sealed, which a guarded loader opens.
 */
export function guardedTensorFlow({ loadGraphModel, loadLayersModel, io, node }: TensorFlow): TensorFlow {
  const load = node?.loadSavedModel
  return {
    loadGraphModel: clearedLoader('loadGraphModel', loadGraphModel),
    loadLayersModel: clearedLoader('loadLayersModel', loadLayersModel),
    ...(io ? { io } : {}),
    ...(load ? { node: { loadSavedModel: clearedLoader('loadSavedModel', load) } } : {}),
  }
}

function clearedLoader(name: LoaderName, given: (...args: never[]) => Promise<unknown>): typeof given {
  const cleared = behind.get(given)
  if (cleared) return cleared as typeof given
  return async (...[source, ...rest]: unknown[]) => {
    const token = typeof source === 'string' ? source : sealedHandler()
    sealed.set(token, { name, source })
    try {
      return await given(...([token, ...rest] as never[]))
    } finally {
      sealed.delete(token)
    }
  }
}

/** What was judged, by what other code has of it for the time of one call. */
const sealed = new Map<unknown, { name: LoaderName; source: unknown }>()

function sealedFor(name: LoaderName, source: unknown): { source: unknown } | undefined {
  const found = sealed.get(source)
  return found?.name === name ? found : undefined
}

/** An IOHandler that gives nothing away. */
function sealedHandler(): object {
  const load = () =>
    Promise.reject(
      new ModelSealError('RUNTIME_UNGUARDED', 'A verified model is loaded by something other than TensorFlow.js.', {
        hint: 'Give @tensorflow/tfjs itself to the functions of @modelseal/tfjs.',
      }),
    )
  return { load }
}

/** An IOHandler makes a model of whatever it likes. */
async function fromMemory(format: ModelFormat, plainly: () => unknown): Promise<unknown> {
  const { judgeMemory } = await import('@modelseal/core')
  await judgeMemory(undefined, { ...(await judging()), format })
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
