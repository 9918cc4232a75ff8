import { makeDirectories } from '../../source/private/cache-directory.ts'
import { beforeDeparture } from '../../source/private/departure.ts'
import { realPathIfAny } from '../../source/local/real-path.ts'
import type { ToRecord } from './records/waiting-records.ts'
import type { JournalSettings } from './settings/settings.ts'
import { JournalWriter } from './writer.ts'

/** What is known of the writers of this thread. The ESM and the CommonJS build share it, so that a thread has one segment in each journal. */
interface Writers {
  byDirectory: Map<string, JournalWriter>
  /** Make the entries that end what is still loaded when the thread exits, or a signal ends the process. */
  endings: Set<(writer: JournalWriter) => ToRecord[]>
}

// Change the number with the methods of JournalWriter that are used here.
const KEY = Symbol.for('modelseal.journals.2')

/**
 * The writers of this thread for the journals that settings name, each with the settings that name its journal. Waits until each journal is
 * open, or cannot be opened.
 */
export async function writersFor(
  settings: readonly JournalSettings[],
  isRequired = false,
): Promise<ReadonlyMap<JournalWriter, readonly JournalSettings[]>> {
  const found = new Map<JournalWriter, JournalSettings[]>()
  // All settings of a journal count before it is opened.
  for (const one of settings) {
    const writer = writerOf(one)
    found.set(writer, [...(found.get(writer) ?? []), one])
  }
  for (const writer of found.keys()) await writer.start(isRequired)
  return found
}

function writerOf(settings: JournalSettings): JournalWriter {
  const { byDirectory } = writers()
  const known = byDirectory.get(settings.directory)
  const path = known ? '' : realDirectory(settings.directory)
  const writer = known ?? byDirectory.get(path) ?? new JournalWriter(settings, path)
  if (!known) byDirectory.set(path, writer).set(settings.directory, writer)
  writer.adopt(settings)
  return writer
}

/** Has entries made for everything that is still loaded when the thread exits. */
export function atExit(endings: (writer: JournalWriter) => ToRecord[]): void {
  writers().endings.add(endings)
}

/** All writers of this thread. */
export function allWriters(): Set<JournalWriter> {
  return new Set(writers().byDirectory.values())
}

function writers(): Writers {
  const state = globalThis as { [KEY]?: Writers }
  const known = Object.hasOwn(state, KEY) ? state[KEY] : undefined
  if (known) return known
  const created: Writers = { byDirectory: new Map(), endings: new Set() }
  Object.defineProperty(globalThis, KEY, { value: created })
  beforeDeparture(() => {
    for (const writer of new Set(created.byDirectory.values()))
      writer.endNow([...created.endings].flatMap((endings) => endings(writer)))
  })
  return created
}

/** Two paths may lead to one directory, which must exist to find that out. */
function realDirectory(directory: string): string {
  try {
    makeDirectories(directory)
  } catch {
    // Opening it reports why.
  }
  return realPathIfAny(directory)
}
