import { expect } from 'vitest'

/** Expects that the processor time of work grows like the length of its text: a start, and a part that is repeated after it. */
export async function expectLinear(
  work: (text: string) => unknown,
  [start, part]: readonly [string, string],
): Promise<void> {
  const spent = async (length: number) => {
    const text = start + part.repeat(length / part.length)
    const times: number[] = []
    for (let run = 0; run < 3; run++) {
      const before = process.cpuUsage()
      await work(text)
      const { user, system } = process.cpuUsage(before)
      times.push(user + system)
    }
    return Math.min(...times)
  }
  const [short, long] = [await spent(25_000), await spent(400_000)]
  // 16 times as long: linear time is 16 times as much, quadratic time 256 times. Less than a millisecond is not measured well.
  expect(long).toBeLessThan(64 * Math.max(short, 1_000))
}
