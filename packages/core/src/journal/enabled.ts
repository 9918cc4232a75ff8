import { variable } from '../environment.ts'
import type { JournalSettings } from './writing/settings/settings.ts'

/** Names a directory, and says nothing else of how it is written. */
export const VARIABLE = 'MODELSEAL_JOURNAL'

// Shared by the ESM and the CommonJS build. Change the number with the settings.
const KEY = Symbol.for('modelseal.journal.enabled.2')

/** The journals in which this thread records every load: those that the program enabled, and that of `MODELSEAL_JOURNAL`. */
export function enabledJournals(): readonly JournalSettings[] {
  const directory = variable(VARIABLE)
  const byProgram = list()
  return directory === undefined ? byProgram : [...byProgram, { directory, place: VARIABLE, ...DEFAULT_SETTINGS }]
}

export const DEFAULT_SETTINGS = { required: false, durability: 'interval', paths: 'full' } as const

/** Replaces earlier settings of the same journal. */
export function enable(settings: JournalSettings): void {
  const settled = list()
  const index = settled.findIndex(({ directory }) => directory === settings.directory)
  settled.splice(index < 0 ? settled.length : index, 1, settings)
}

function list(): JournalSettings[] {
  const state = globalThis as { [KEY]?: JournalSettings[] }
  const known = Object.hasOwn(state, KEY) ? state[KEY] : undefined
  if (known) return known
  const created: JournalSettings[] = []
  Object.defineProperty(globalThis, KEY, { value: created })
  return created
}
