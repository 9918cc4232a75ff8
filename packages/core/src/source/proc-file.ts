/**
 * A path in `/proc`. By a function, because tracers such as `@vercel/nft` follow the paths that they can read in calls of `node:fs`:
 * with the root directory as base, they would collect everything below `/proc`.
 */
export function procFile(name: string): string {
  return `/proc/${name}`
}
