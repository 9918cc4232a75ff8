import { getCallSites } from 'node:util'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { mode, refuse } from './mode.ts'
import { isTensorFlowFile } from './tensorflow.ts'

/**
 * The last guard before a copy of TensorFlow.js can compute. All copies of its core share one registry of kernels in a
 * global property. Each copy, and each package that contains a part of the core, requests it while it starts.
 */
const REGISTRY = ['_tf', 'Globals'].join('')
/** The engine of the first copy, which all others share. Every tensor reads it, so only its creation is guarded. */
const ENGINE = ['_tf', 'engine'].join('')

/** Files of the CommonJS modules that are running for the first time, innermost last. */
const running: string[] = []

/** Runs a CommonJS module for the first time. */
export function whileRunning<T>(file: string, run: () => T): T {
  running.push(file)
  try {
    return run()
  } finally {
    running.pop()
  }
}

/**
 * Lets only copies of TensorFlow.js start whose loaders are guarded.
 *
 * @throws {@link ModelSealError} `RUNTIME_UNGUARDED` if a copy has already started
 */
export function guardEngines(): void {
  if (REGISTRY in globalThis || ENGINE in globalThis) {
    throw new ModelSealError(
      'RUNTIME_UNGUARDED',
      'Cannot guard TensorFlow.js: it was loaded before @modelseal/register.',
      {
        hint: 'Put "--import @modelseal/register" before other --import and --require options.',
      },
    )
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

/** Files of the copies that were guarded when they started. They also read the registry while they compute. */
const copies = new Set<string>()

/**
 * Does not use names in the call stack to recognize a copy that starts, because a bundle may name its parts after the original files. Only
 * the very files of guarded copies are recognized by their paths.
 */
function checkRunning(): void {
  const file = running.at(-1)
  if (file !== undefined && isTensorFlowFile(file)) return void copies.add(file)
  const place = getCallSites(3)[2]?.scriptName ?? ''
  if (copies.has(place)) return
  const error = new ModelSealError(
    'RUNTIME_UNGUARDED',
    `Cannot guard the copy of TensorFlow.js that starts in ${shown(file ?? place)}.`,
    {
      ...(file === undefined ? {} : { file }),
      hint: 'Make @tensorflow/tfjs an external package of the bundle, and import it by its name.',
    },
  )
  // One line for each copy, because a copy requests the registry several times.
  if (mode() === 'audit' && reported.has(file ?? place)) return
  reported.add(file ?? place)
  refuse(`a copy of TensorFlow.js in ${shown(file ?? place)}`, error)
}
