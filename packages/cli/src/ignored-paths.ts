import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { printable } from './output.ts'

/**
 * Reports on standard error which ignored paths have no effect, because they are misspelt or outside the model. As in the
 * reference tool, this is not a failure: a list may contain paths that only some models have.
 *
 */
export async function noteIdlePaths(model: string, paths: readonly string[]): Promise<void> {
  const { shown } = await import('@modelseal/core/errors')
  const root = await realpath(model).catch(() => undefined)
  // The command reports a missing model.
  if (root === undefined) return
  for (const path of paths.map((given) => resolve(given))) {
    const why = await whyIdle(root, path)
    if (why !== undefined)
      process.stderr.write(`Note: --ignore-paths ${printable(shown(path))} has no effect: ${why}.\n`)
  }
}

async function whyIdle(root: string, path: string): Promise<string | undefined> {
  try {
    await lstat(path)
  } catch {
    return 'the path does not exist'
  }
  const name = relative(root, join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path)))
  return name === '..' || name.startsWith(`..${sep}`) ? 'the path is outside the model' : undefined
}
