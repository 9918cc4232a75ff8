import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { printable } from './output.ts'

/**
 * Says on standard error which of the ignored paths leave nothing out, since they are misspelt or not in
 * the model. It is no failure, as in the reference tool: a list may name what only some models have.
 *
 * @param paths absolute
 */
export async function noteIdlePaths(model: string, paths: readonly string[]): Promise<void> {
  const { shown } = await import('@modelseal/core')
  const root = await realpath(model).catch(() => undefined)
  // That there is no model, the command says.
  if (root === undefined) return
  for (const path of paths) {
    const why = await whyIdle(root, path)
    if (why !== undefined)
      process.stderr.write(`Note: --ignore-paths ${printable(shown(path))} leaves nothing out: ${why}.\n`)
  }
}

async function whyIdle(root: string, path: string): Promise<string | undefined> {
  try {
    await lstat(path)
  } catch {
    return 'nothing is there'
  }
  const name = relative(root, join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path)))
  return name === '..' || name.startsWith(`..${sep}`) ? 'it is not in the model' : undefined
}
