import { makeDirectories } from '../../source/private/cache-directory.ts'
import { beforeDeparture } from '../../source/private/departure.ts'
import { realPathIfAny } from '../../source/local/real-path.ts'
import type { ToRecord } from './waiting-records.ts'
import type { JournalSettings } from './settings.ts'
import { JournalWriter } from './writer.ts'

/** What is known of the writers of this thread. The ESM and the CommonJS build share it, so that a thread has one segment in each journal. */
interface Writers {
  byDirectory: Map<string, JournalWriter>
  /** Make the entries that end what is still loaded when the thread exits, or a signal ends the process. */
  endings: Set<(writer: JournalWriter) => ToRecord[]>
}

// Change the number with the methods of JournalWriter that are used here.
const KEY = Symbol.for('modelseal.journals.1')

/** The writer of this thread for a journal. The first call waits until the journal is open, or cannot be opened. */
export async function writerFor(settings: JournalSettings): Promise<JournalWriter> {
  const { byDirectory } = writers()
  const known = byDirectory.get(settings.directory)
  if (known) return known
  const path = realDirectory(settings.directory)
  const writer = byDirectory.get(path) ?? new JournalWriter({ ...settings, directory: path })
  byDirectory.set(path, writer)
  byDirectory.set(settings.directory, writer)
  await writer.start()
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
