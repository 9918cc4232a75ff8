import type { ModelFormat } from '@modelseal/core/adapter'
import { ModelSealError } from '@modelseal/core/errors'
import type { TensorFlow } from '@modelseal/tfjs/any-runtime'
import { isCleared, underClearance, withClearance } from './clearance.ts'
import { judged, judging, keptOf, opening } from './judgement.ts'
import { refuse } from './mode.ts'
import { placeOf } from './place.ts'

type Loader = (...args: unknown[]) => unknown

/** The model-loading exports of a TensorFlow.js package. */
type TensorFlowExports = Record<string, unknown>

/** Replaces the loaders that these exports define. Re-exports of another module's loaders are not touched. */
export function guardTensorFlow(exports: TensorFlowExports): void {
  for (const name of LOADERS) replaceOwn(exports, name, (original) => verifiedLoader(name, original))
  replaceOwn(exports, 'loadGraphModelSync', (original) => refusedLoader('loadGraphModelSync', original))
  const models = ownValue(exports, 'models')
  if (isObject(models))
    replaceOwn(models, 'modelFromJSON', (original) => refusedLoader('models.modelFromJSON', original))
  const GraphModel = ownValue(exports, 'GraphModel')
  if (typeof GraphModel === 'function') guardGraphModel(GraphModel.prototype as Record<string, unknown>)
}

/** Whether the exports define a loader, which must be guarded. */
export function isTensorFlow(exports: unknown): exports is TensorFlowExports {
  return isObject(exports) && LOADERS.some((name) => typeof ownValue(exports, name) === 'function')
}

/** Whether the file belongs to a TensorFlow.js package. */
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

/** Maps each guarded function to the one that loads what was judged. */
const guarded = new WeakMap<object, Loader>()

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
      // Without a scheme, only the program's own routers know what the name means.
      plainly([name !== 'loadSavedModel' && !source.includes('://') ? source : plain, ...rest]),
    )
  }
  guarded.set(loader, cleared)
  return loader
}

/**
 * Lets the TensorFlow.js that an adapter was given load what was judged. Guarded loaders load it directly. If other code is
 * in between, such as a function of the program, it gets a sealed handler that only a guarded loader can open.
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
  const cleared = guarded.get(given)
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

/** Maps sealed handlers to what was judged, for the duration of one call. */
const sealed = new Map<unknown, { name: LoaderName; source: unknown }>()

function sealedFor(name: LoaderName, source: unknown): { source: unknown } | undefined {
  const found = sealed.get(source)
  return found?.name === name ? found : undefined
}

/** An IOHandler that reveals nothing. */
function sealedHandler(): object {
  const load = () =>
    Promise.reject(
      new ModelSealError(
        'RUNTIME_UNGUARDED',
        'Cannot load the verified model: something other than TensorFlow.js tries to load it.',
        {
          hint: 'Pass @tensorflow/tfjs itself to the functions of @modelseal/tfjs.',
        },
      ),
    )
  return { load }
}

/** An IOHandler may create a model from anything. */
async function fromMemory(format: ModelFormat, plainly: () => unknown): Promise<unknown> {
  const { judgeMemory } = await import('@modelseal/core/adapter')
  return keptOf(await judgeMemory(undefined, { ...(await judging()), format }), plainly)
}

/** Refuses loaders that return before a model can be judged. */
function refusedLoader(name: string, original: Loader): Loader {
  return (...args) => {
    refuse(`a model of ${name}()`, unjudged(name))
    return withClearance(args[0], () => original(...args))
  }
}

function unjudged(name: string): ModelSealError {
  return new ModelSealError('SOURCE_UNKNOWN', `Cannot verify a model passed to ${name}().`, {
    hint: 'Load the model by its path with loadGraphModel() or loadLayersModel().',
  })
}

/** Guards the methods of the class, which can be used without the loaders. */
function guardGraphModel(prototype: Record<string, unknown>): void {
  const check = (passed: boolean) => {
    if (passed) return
    const error = new ModelSealError(
      'RUNTIME_UNGUARDED',
      'Cannot load a GraphModel by its own methods, because it would not be checked.',
      {
        hint: 'Use loadGraphModel() instead of new GraphModel().',
      },
    )
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

/** Replaces an own function of the object, once. */
function replaceOwn(object: Record<string, unknown>, name: string, guard: (original: Loader) => Loader): void {
  const original = ownValue(object, name)
  if (typeof original !== 'function' || guards.has(original)) return
  const { configurable, writable } = Object.getOwnPropertyDescriptor(object, name) ?? {}
  if (!configurable && !writable) {
    const error = new ModelSealError('RUNTIME_UNGUARDED', `Cannot guard ${name}() in this copy of TensorFlow.js.`, {
      hint: 'Import @tensorflow/tfjs by its package name, not by one of its files.',
    })
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
