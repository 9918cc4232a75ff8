import { access, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { codeOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { COMMITS, JOURNAL_FILE, SEGMENTS } from '@modelseal/core/journal'

/** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. */
export type JournalKeys = Readonly<Record<string, string>>

/** The key that was given for a journal. */
export function keyFor(directory: string, keys: JournalKeys = {}): string | undefined {
  return Object.hasOwn(keys, directory) ? keys[directory] : undefined
}

/**
 * Each directory once, with its key if one is given. One that is not a journal, but contains some, as that of a collector does, stands for
 * all of them, also for those whose `journal.json` is missing or cannot be read.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if a key is given for a directory that contains journals
 */
export async function allJournals(
  directories: readonly string[],
  keys: JournalKeys = {},
): Promise<Map<string, string | undefined>> {
  const found = new Map<string, { directory: string; key: string | undefined }>()
  for (const directory of directories) {
    const key = keyFor(directory, keys)
    const within = (await isJournal(directory)) ? [] : await journalsIn(directory)
    if (within.length > 0 && key !== undefined)
      throw new ModelSealError(
        'INVALID_ARGUMENT',
        `Cannot use one key for the journals in ${shown(directory)}: each has its own.`,
        { file: directory, hint: 'Name the journals one by one, each with its key.' },
      )
    for (const each of within.length > 0 ? within : [directory]) {
      const path = resolve(each)
      const known = found.get(path) ?? { directory: each, key }
      found.set(path, { ...known, key: known.key ?? key })
    }
  }
  return new Map([...found.values()].map(({ directory, key }) => [directory, key]))
}

async function journalsIn(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(directory).catch(() => [])).sort()) {
    const path = join(directory, name)
    if (!name.startsWith('.') && (await isJournal(path))) found.push(path)
  }
  return found
}

/** Also without its `journal.json`: whoever deleted that must not make a journal disappear from an answer. */
async function isJournal(directory: string): Promise<boolean> {
  for (const name of [JOURNAL_FILE, COMMITS, SEGMENTS]) if (await mayExist(join(directory, name))) return true
  return false
}

function mayExist(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    // Whoever may not look does not know.
    (error: unknown) => !['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? ''),
  )
}
