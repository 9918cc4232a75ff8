/**
 * How many cases a test of random input makes: the `usual` number, or `ATTACK_RUNS`. `.ci/run` asks for 2,000, a long
 * run by hand for 100,000.
 */
export function attackRuns(usual: number): number {
  return numberFrom('ATTACK_RUNS') ?? usual
}

/** The whole number that an environment variable holds; undefined where it is not set. */
export function numberFrom(variable: string): number | undefined {
  const text = process.env[variable]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${variable} is not a whole number: ${text}`)
  return value
}
