import type * as fs from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { scratch } from '../../testing/scratch.ts'
import { statesOf } from './source-file.ts'

/** How long ago a file changed when the process looks at it, and how long the process is held up then, in milliseconds. */
const look = vi.hoisted(() => ({ age: 0, heldUp: 0 }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  const lstatSync = (path: string, options: { bigint: true }) => {
    const stat = real.lstatSync(path, options)
    stat.ctimeNs = BigInt(Date.now() - look.age) * 1_000_000n + 1n
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, look.heldUp)
    return stat
  }
  return { ...real, lstatSync }
})

test.each([
  { age: 0, heldUp: 0, young: true },
  { age: 0, heldUp: 60, young: true },
  { age: 10_000, heldUp: 0, young: undefined },
  { age: 10_000, heldUp: 60, young: undefined },
])('a file of $age ms is young: $young, if the process is held up for $heldUp ms', async ({ young, ...times }) => {
  const path = join(scratch({ a: '1' }), 'a')
  Object.assign(look, times)
  const [state] = await statesOf([{ name: 'a', path }], undefined)
  expect(state?.young).toBe(young)
})
