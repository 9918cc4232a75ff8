import { getCallSites } from 'node:util'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { mode, refuse } from './mode.ts'
import { isTensorFlowFile } from './tensorflow.ts'

/**
 * The last door before a copy of TensorFlow.js can compute. Each copy of its core has one registry of kernels for all,
 * in a global property, and asks for it while it starts; so does each package that has a part of the core in it.
 */
const REGISTRY = ['_tf', 'Globals'].join('')
/** The engine of the first copy, which all others share. It is read by every tensor, so only its making is guarded. */
const ENGINE = ['_tf', 'engine'].join('')

/** Files of the CommonJS modules that run for the first time now, the innermost last. */
const running: string[] = []

/** Runs a module of CommonJS for the first time. */
export function whileRunning<T>(file: string, run: () => T): T {
  running.push(file)
  try {
    return run()
  } finally {
    running.pop()
  }
}

/**
 * Lets no copy of TensorFlow.js start but those whose loaders are guarded.
 *
 * @throws {@link ModelSealError} `RUNTIME_UNGUARDED` where one has started
 */
export function guardEngines(): void {
  if (REGISTRY in globalThis || ENGINE in globalThis) {
    throw new ModelSealError('RUNTIME_UNGUARDED', 'TensorFlow.js was loaded before @modelseal/register.', {
      hint: 'Put "--import @modelseal/register" before other --import and --require options.',
    })
  }
  guardGlobal(REGISTRY, true)
  guardGlobal(ENGINE, false)
}

function guardGlobal(name: string, guardReads: boolean): void {
  let current: unknown
  Object.defineProperty(globalThis, name, {
    get() {
      if (guardReads) checkRunning()
      return current
    },
    set(value: unknown) {
      checkRunning()
      current = value
    },
  })
}

const reported = new Set<string>()

/** Not by the names in the stack of calls: a bundle may give its parts the names of the files that they were. */
function checkRunning(): void {
  const file = running.at(-1)
  if (file !== undefined && isTensorFlowFile(file)) return
  const place = getCallSites()[2]?.scriptName ?? ''
  const error = new ModelSealError(
    'RUNTIME_UNGUARDED',
    `Cannot guard the copy of TensorFlow.js that starts in ${shown(file ?? place)}.`,
    {
      ...(file === undefined ? {} : { file }),
      hint: 'Leave @tensorflow/tfjs out of the bundle, as an external package, and import it by its name.',
    },
  )
  // One line for each copy, which asks several times.
  if (mode() === 'audit' && reported.has(file ?? place)) return
  reported.add(file ?? place)
  refuse(`a copy of TensorFlow.js in ${shown(file ?? place)}`, error)
}
