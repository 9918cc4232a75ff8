import { describe, expect, test } from 'vitest'
import { ShardCache } from './shard-cache.ts'

const shard = (length: number) => new Uint8Array(length)
const read = (length: number) => () => Promise.resolve(shard(length))

describe('a cache of shards', () => {
  test('keeps what was used last, up to its size', async () => {
    const cache = new ShardCache(10)
    let reads = 0
    const get = (key: string) => cache.get(key, () => (reads++, Promise.resolve(shard(5))))
    await get('a')
    await get('b')
    await get('a')
    expect([reads, cache.bytes]).toEqual([2, 10])
    await get('c')
    expect([reads, cache.bytes]).toEqual([3, 10])
    await get('a')
    expect(reads).toBe(3)
    await get('b')
    expect([reads, cache.bytes]).toEqual([4, 10])
  })

  test('does not keep what is larger than itself, nor let it displace anything', async () => {
    const cache = new ShardCache(10)
    await cache.get('a', read(10))
    expect(await cache.get('b', read(11))).toHaveLength(11)
    expect(cache.bytes).toBe(10)
    cache.add('a', shard(10))
    expect(cache.bytes).toBe(10)
  })

  test('keeps nothing if it has no room', async () => {
    const cache = new ShardCache(0)
    await cache.get('a', read(1))
    expect(cache.bytes).toBe(0)
  })

  test('shares a read between requests at the same time, and forgets a failure', async () => {
    const cache = new ShardCache(10)
    let reads = 0
    const failing = () => (reads++, Promise.reject(new Error('no')))
    const both = await Promise.allSettled([cache.get('a', failing), cache.get('a', failing)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(reads).toBe(1)
    expect(await cache.get('a', read(2))).toHaveLength(2)
  })

  test('lets few reads run at the same time, and goes on after one fails', async () => {
    const cache = new ShardCache(0)
    let running = 0
    let most = 0
    const slow = (fails: boolean) => async () => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      if (fails) throw new Error('no')
      return shard(1)
    }
    const all = Array.from({ length: 20 }, (_, index) => cache.get(`${index}`, slow(index % 3 === 0)))
    const settled = await Promise.allSettled(all)
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(13)
    expect(most).toBe(4)
  })

  test('forgets everything', async () => {
    const cache = new ShardCache(10)
    await cache.get('a', read(3))
    cache.clear()
    expect(cache.bytes).toBe(0)
    expect(await cache.get('a', read(4))).toHaveLength(4)
  })
})
