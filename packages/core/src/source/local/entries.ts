import { opendirSync, readdirSync, statSync, type Dir, type Dirent, type Stats } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { unreadable } from '../file-errors.ts'

/** Number of entries that are read at a time. */
const BUFFERED = 1_024

/**
 * Size of a directory, in bytes, up to which it is read at once, which is twice as fast. Most file systems need 12 or
 * more bytes an entry; where one states too small a size, the event loop only waits longer.
 */
const SMALL = 65_536

/**
 * The entries of a directory, in no particular order. It is read in batches, so that the caller can yield to the event
 * loop in between: a directory can have any number of entries.
 *
 * @throws {@link ModelSealError} `FILE_UNREADABLE`
 */
export function* entriesOf(
  path: string,
  size = sizeOf(path),
  encoding: BufferEncoding = 'utf8',
): Generator<Dirent, undefined> {
  if (size <= SMALL) {
    yield* orUnreadable(path, () => readdirSync(path, { withFileTypes: true, encoding }))
    return
  }
  const directory = orUnreadable(path, () => opendirSync(path, { encoding, bufferSize: BUFFERED }))
  try {
    for (let entry = next(); entry; entry = next()) yield entry
  } finally {
    directory.closeSync()
  }

  function next(): Dirent | null {
    return orUnreadable(path, () => directory.readSync())
  }
}

/**
 * Like {@link entriesOf}, but every name must be valid UTF-8 (OMS 6.1.2).
 *
 * @param directory its `size` as the file system states it, if known
 * @param mayBeOther true for a name that need not be valid UTF-8; U+FFFD stands for what is not
 * @returns entries; undefined for a step without an entry
 * @throws {@link ModelSealError} `FILE_NAME`, `FILE_UNREADABLE`
 */
export function* utf8EntriesOf(
  { path, size }: { path: string; size: number | undefined },
  mayBeOther: (base: string) => boolean = () => false,
): Generator<Dirent | undefined, undefined> {
  let isChecked = false
  for (const entry of entriesOf(path, size)) {
    if (!isChecked && entry.name.includes('\ufffd')) {
      yield* checkNames(path, mayBeOther)
      isChecked = true
    }
    yield entry
  }
}

/** In bytes, as the file system states it. */
function sizeOf(path: string): number {
  return orUnreadable(path, () => statSync(path)).size
}

/** OMS 6.1.2 (7): U+FFFD is either a real character of a name or a stand-in for invalid UTF-8. */
function* checkNames(directory: string, mayBeOther: (base: string) => boolean): Generator<undefined> {
  for (const { name: latin1 } of entriesOf(directory, undefined, 'latin1')) {
    const raw = Buffer.from(latin1, 'latin1')
    const name = raw.toString('utf8')
    yield
    if (Buffer.from(name, 'utf8').equals(raw) || mayBeOther(name)) continue
    throw new ModelSealError('FILE_NAME', `A file name in ${shown(directory)} is not valid UTF-8.`, {
      file: join(directory, name),
      found: `the bytes ${raw.toString('hex')}`,
      hint: 'Rename the file, or exclude its directory.',
    })
  }
}

function orUnreadable<T extends Dir | Dirent | Dirent[] | Stats | null>(path: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw unreadable(path, 'directory', error)
  }
}
