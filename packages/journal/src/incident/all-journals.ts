import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { JOURNAL_FILE } from '@modelseal/core/journal'

/** Each directory once. One that is not a journal, but contains some, as that of a collector does, stands for all of them. */
export async function allJournals(directories: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>()
  for (const directory of directories) {
    const within = (await isJournal(directory)) ? [] : await journalsIn(directory)
    for (const each of within.length > 0 ? within : [directory]) found.add(each)
  }
  return found
}

async function journalsIn(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(directory).catch(() => [])).sort()) {
    const path = join(directory, name)
    if (!name.startsWith('.') && (await isJournal(path))) found.push(path)
  }
  return found
}

function isJournal(directory: string): Promise<boolean> {
  return access(join(directory, JOURNAL_FILE)).then(
    () => true,
    () => false,
  )
}
