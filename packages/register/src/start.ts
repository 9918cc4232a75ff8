import Module, { createRequire } from 'node:module'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { choiceIn, fixEnvironment } from '@modelseal/core/environment'
import { policyAtStart } from '@modelseal/core/find-policy'
import { guardAddons } from './addons.ts'
import { guardChildren, handedEnvironment } from './children.ts'
import { guardEngines } from './engines.ts'
import { guardAdapters } from './guard.ts'
import { mode, reportRevoked, reportTolerated } from './mode.ts'
import { guardModules, isRuntime } from './modules.ts'
import { guardThreads } from './threads.ts'

/** Shared by all copies of this package in a thread, both ESM and CommonJS. */
const STARTED = Symbol.for('modelseal.register')

/**
 * Installs the guards once per thread.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid `MODELSEAL_MODE`, `MODELSEAL_ISOLATION` or `MODELSEAL_ON_REVOKED`, a relative
 * `MODELSEAL_POLICY` in a deleted working directory, or a Node.js without usable hooks; `RUNTIME_UNGUARDED` if a runtime was
 * already loaded
 */
export function start(): void {
  if (STARTED in globalThis) return
  if (typeof (Module as Partial<typeof Module>).registerHooks !== 'function') {
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'Cannot guard this process: this version of Node.js has no usable module hooks.',
      {
        expected: 'Node.js 22.22.2 or later, 24.15 or later, or 26 or later',
        found: process.version,
      },
    )
  }
  fixEnvironment(handedEnvironment(), policyAtStart)
  // Otherwise an invalid value would be refused only when the first model is loaded.
  choiceIn('MODELSEAL_ISOLATION')
  reportRevoked(choiceIn('MODELSEAL_ON_REVOKED'))
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

/** A runtime that is already loaded cannot be guarded, because other code may hold references to it. */
function refuseLoadedRuntimes(): void {
  const { cache } = createRequire(import.meta.url)
  for (const [file, module] of Object.entries(cache)) {
    if (!module || !isRuntime(module.exports, file)) continue
    throw new ModelSealError(
      'RUNTIME_UNGUARDED',
      `Cannot guard the runtime ${shown(file)}: it was loaded before @modelseal/register.`,
      {
        file,
        hint: 'Put "--import @modelseal/register" before other --import and --require options.',
      },
    )
  }
}
