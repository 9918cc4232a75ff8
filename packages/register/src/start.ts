import Module, { createRequire } from 'node:module'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { choiceIn, fixEnvironment } from '@modelseal/core/environment'
import { policyAtStart } from '@modelseal/core/find-policy'
import { guardAddons } from './addons.ts'
import { guardChildren, handedEnvironment } from './children.ts'
import { guardEngines } from './engines.ts'
import { guardAdapters } from './guard.ts'
import { mode, reportTolerated } from './mode.ts'
import { guardModules, isRuntime } from './modules.ts'
import { guardThreads } from './threads.ts'

/** Shared by all copies of this package in a thread, ESM and CommonJS alike. */
const STARTED = Symbol.for('modelseal.register')

/**
 * Puts the guards in place, once a thread.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a wrong `MODELSEAL_MODE` or `MODELSEAL_ISOLATION`, a relative
 * `MODELSEAL_POLICY` in a working directory that was deleted, and a Node.js that cannot be hooked; `RUNTIME_UNGUARDED` where a runtime was loaded before
 */
export function start(): void {
  if (STARTED in globalThis) return
  if (typeof (Module as Partial<typeof Module>).registerHooks !== 'function') {
    throw new ModelSealError('INVALID_ARGUMENT', 'This Node.js has no module hooks that could be used.', {
      expected: 'Node.js 22.22.2 or later',
      found: process.version,
    })
  }
  fixEnvironment(handedEnvironment(), policyAtStart)
  // Otherwise refused only when the first model is loaded.
  choiceIn('MODELSEAL_ISOLATION')
  refuseLoadedRuntimes()
  guardEngines()
  if (mode() === 'audit') reportTolerated()
  guardAddons()
  guardModules()
  guardThreads()
  guardChildren()
  guardAdapters()
  Object.defineProperty(globalThis, STARTED, { value: true })
}

/** What is loaded already, others may hold: it cannot be guarded any more. */
function refuseLoadedRuntimes(): void {
  const { cache } = createRequire(import.meta.url)
  for (const [file, module] of Object.entries(cache)) {
    if (!module || !isRuntime(module.exports, file)) continue
    throw new ModelSealError('RUNTIME_UNGUARDED', `The runtime ${shown(file)} was loaded before @modelseal/register.`, {
      file,
      hint: 'Put "--import @modelseal/register" before other --import and --require options.',
    })
  }
}
