import { ModelSealError, shown } from '@modelseal/core/errors'
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { JOURNAL_FILE } from '@modelseal/core/journal'

/** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. */
export type JournalKeys = Readonly<Record<string, string>>

/**
 * Each directory once, with its key if one is given. One that is not a journal, but contains some, as that of a collector does, stands for all of them.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if a key is given for a directory that contains journals
 */
export async function allJournals(
  directories: readonly string[],
  keys: JournalKeys = {},
): Promise<Map<string, string | undefined>> {
  const found = new Map<string, string | undefined>()
  for (const directory of directories) {
    const key = Object.hasOwn(keys, directory) ? keys[directory] : undefined
    const within = (await isJournal(directory)) ? [] : await journalsIn(directory)
    if (within.length > 0 && key !== undefined)
      throw new ModelSealError(
        'INVALID_ARGUMENT',
        `Cannot use one key for the journals in ${shown(directory)}: each has its own.`,
        { file: directory, hint: 'Name the journals one by one, each with its key.' },
      )
    for (const each of within.length > 0 ? within : [directory]) found.set(each, found.get(each) ?? key)
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
