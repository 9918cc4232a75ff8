import { execFileSync } from 'node:child_process'

/** Lines of a file, both included. */
export interface Lines {
  from: number
  to: number
}

/**
 * The lines that were changed or added since a commit, by file, in the working tree: what is not committed counts, too.
 *
 * @param paths folders or files
 */
export function changedLines(since: string, paths: readonly string[]): Map<string, Lines[]> {
  const diff = git('diff', '--unified=0', '--no-color', '--no-ext-diff', '--no-renames', since, '--', ...paths)
  const changed = linesOf(diff)
  const untracked = git('ls-files', '--others', '--exclude-standard', '--', ...paths)
  for (const file of untracked.split('\n').filter(Boolean))
    changed.set(file, [{ from: 1, to: Number.MAX_SAFE_INTEGER }])
  return changed
}

/** Reads a diff without context. */
export function linesOf(diff: string): Map<string, Lines[]> {
  const changed = new Map<string, Lines[]>()
  let file: string | undefined
  for (const line of diff.split('\n')) {
    const [, named] = /^\+\+\+ (?:b\/(.+)|\/dev\/null)$/.exec(line) ?? []
    if (line.startsWith('+++ ')) file = named
    const [, first, count = '1'] = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line) ?? []
    if (file === undefined || first === undefined || count === '0') continue
    const from = Number(first)
    changed.set(file, [...(changed.get(file) ?? []), { from, to: from + Number(count) - 1 }])
  }
  return changed
}

/**
 * The state that landed last. On a branch: where it left the main branch. On the main branch: where that was before, if this
 * clone saw it move, or else the commit before. Undefined if there is none, as in a clone of one commit.
 */
export function lastLanded(): string | undefined {
  const head = commitOf('HEAD')
  for (const main of ['origin/main', 'main']) {
    const base = commitOf(main) && tried('merge-base', 'HEAD', main)
    if (base && base !== head) return base
  }
  const before = commitOf('main@{1}')
  if (before && before !== head && tried('merge-base', 'HEAD', before) === before) return before
  return commitOf('HEAD~1')
}

/** The commit that a name means; undefined if there is none. */
export function commitOf(name: string): string | undefined {
  return tried('rev-parse', '--quiet', '--verify', `${name}^{commit}`)
}

function tried(...args: string[]): string | undefined {
  try {
    return git(...args).trim() || undefined
  } catch {
    return undefined
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })
}
