/**
 * A path in `/proc`. Built by a function, because tracers such as `@vercel/nft` evaluate literal paths in calls to
 * `node:fs` and would collect everything below `/proc`.
 */
export function procFile(name: string): string {
  return `/proc/${name}`
}
