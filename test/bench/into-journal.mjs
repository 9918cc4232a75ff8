import { writersFor } from '../../packages/core/src/journal/writing/writers.ts'

/** Records that wait at once. */
const AT_ONCE = 500

/** Writes a record some number of times by a writer of this thread. With `isSynced`, 64 at a time wait until they are on the disk. */
export async function intoJournal(directory, isSynced = false) {
  const settings = { required: false, durability: 'interval', service: 'bench', paths: 'full' }
  const [writer] = (await writersFor([{ directory, place: 'bench', ...settings }])).keys()
  const made = (record) =>
    new Promise((ended) => writer.add({ make: () => [record], isSynced, isRequired: false, ended, at: {} }))
  return async (record, count) => {
    const some = isSynced ? 64 : AT_ONCE
    for (let done = 0; done < count; done += some) await Promise.all(Array.from({ length: some }, () => made(record)))
  }
}
