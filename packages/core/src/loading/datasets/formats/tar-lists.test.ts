import { expect, test, vi } from 'vitest'
import { TarLists } from './tar-lists.ts'
import { TAR_LIMITS, type TarMembers } from './tar-members.ts'

/** A list with one member, which weighs 64 and a character. */
const listOf = (name: string): TarMembers => new Map([[name, { name, size: 1, offset: 512 }]])
const ONE = 65

/** Lists that count how often each archive is read. */
function counted(maxWeight: number) {
  const lists = new TarLists(maxWeight)
  const read = vi.fn((name: string): Promise<TarMembers> => Promise.resolve(listOf(name)))
  return { lists, read, get: (name: string) => lists.get(name, () => read(name)) }
}

test('a list that is being read is not displaced', async () => {
  const { read, get } = counted(ONE)
  const first = Promise.withResolvers<TarMembers>()
  read.mockReturnValueOnce(first.promise)
  const reading = get('a')
  await get('b')
  await get('c')
  first.resolve(listOf('a'))
  expect(await reading).toEqual(listOf('a'))
  expect(read.mock.calls.flat()).toEqual(['a', 'b', 'c'])
  // It was the oldest, so that it made room once it was counted.
  await get('c')
  expect(read).toHaveBeenCalledTimes(3)
  await get('a')
  expect(read).toHaveBeenCalledTimes(4)
})

test('a list that is being read is shared, whatever is read meanwhile', async () => {
  const { read, get } = counted(ONE)
  const first = Promise.withResolvers<TarMembers>()
  read.mockReturnValueOnce(first.promise)
  const reading = get('a')
  await get('b')
  await get('c')
  const again = get('a')
  first.resolve(listOf('a'))
  expect(await Promise.all([reading, again])).toEqual([listOf('a'), listOf('a')])
  expect(read).toHaveBeenCalledTimes(3)
})

test('a list that was being read when all were forgotten no longer counts', async () => {
  const { lists, read, get } = counted(ONE)
  const [failing, late] = [Promise.withResolvers<TarMembers>(), Promise.withResolvers<TarMembers>()]
  read.mockReturnValueOnce(failing.promise).mockReturnValueOnce(late.promise)
  const both = Promise.allSettled([get('a'), get('b')])
  lists.clear()
  await get('a')
  failing.reject(new Error('no'))
  late.resolve(listOf('b'))
  await both
  await get('a')
  expect(read.mock.calls.flat()).toEqual(['a', 'b', 'a'])
})

test('all names of a list count, and what is in it', async () => {
  const { read, get } = counted(2 * 64 + 5 + ONE)
  read.mockResolvedValueOnce(new Map([...listOf('aa'), ...listOf('bbb')]))
  await get('two')
  await get('b')
  await get('two')
  expect(read).toHaveBeenCalledTimes(2)
  await get('c')
  await get('b')
  expect(read.mock.calls.flat()).toEqual(['two', 'b', 'c', 'b'])
})

test('the largest list of one archive is kept', async () => {
  const lists = new TarLists()
  const size = TAR_LIMITS.names + TAR_LIMITS.members * 64
  // One member whose name is as long as everything together.
  const largest = { keys: () => [{ length: size - 64 }] } as unknown as TarMembers
  const larger = { keys: () => [{ length: size - 63 }] } as unknown as TarMembers
  const read = vi.fn(() => Promise.resolve(largest))
  await lists.get('a', read)
  await lists.get('a', read)
  expect(read).toHaveBeenCalledOnce()
  lists.clear()
  read.mockResolvedValue(larger)
  await lists.get('a', read)
  await lists.get('a', read)
  expect(read).toHaveBeenCalledTimes(3)
})
