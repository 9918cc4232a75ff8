/**
 * How many cases a test with random input generates: the `usual` number, or `ATTACK_RUNS`. `.ci/run` sets it to 2,000,
 * a long manual run to 100,000.
 */
export function attackRuns(usual: number): number {
  return numberFrom('ATTACK_RUNS') ?? usual
}

/** The integer in an environment variable; undefined if it is not set. */
export function numberFrom(variable: string): number | undefined {
  const text = process.env[variable]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${variable} is not an integer: ${text}`)
  return value
}
