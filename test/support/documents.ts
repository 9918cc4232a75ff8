import { globSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** Pages that scripts write when the site is built. */
const GENERATED = /^docs\/(?:reference\/(?:api|cli|errors|policy)|dist|node_modules|\.vitepress)\//

/** Every document of this repository that is written by hand, by its path from the root. */
export function documents(): string[] {
  return globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*.md', 'actions/**/*.md'], { cwd: ROOT })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !GENERATED.test(path) && !path.includes('node_modules/'))
    .sort()
}
