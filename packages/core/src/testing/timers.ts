/** Longer than Vitest waits until it reports that a test has begun. */
const REPORTED_MS = 150

/** Counts the timers that keep this process alive, once Vitest has none of its own. */
export async function timerCount(): Promise<() => number> {
  await new Promise((go) => setTimeout(go, REPORTED_MS))
  return () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
}
