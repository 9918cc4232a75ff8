import { realpath } from 'node:fs/promises'
import { dirname, join, basename, relative, resolve, isAbsolute } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { writeFileWhole } from '@modelseal/core/publishing'
import { isRemote } from '../hubs.ts'

/** Writes a page, completely or not at all. */
export async function writePage(path: string, html: string): Promise<void> {
  const page = { what: 'page', failed: 'FILE_WRITE_FAILED', mode: 0o644 } as const
  await writeFileWhole(path, Buffer.from(html), page)
}

/**
 * Refuses a path at which a page could replace a file of a model.
 *
 * @param model its absolute path or its URL; undefined if a bundle was inspected
 * @returns the absolute path
 */
export async function checkedPagePath(file: string, model: string | undefined): Promise<string> {
  const path = resolve(file)
  if (!/\.html?$/i.test(path)) throw refused(file, 'its name does not end in .html', 'Name a file such as model.html.')
  if (model !== undefined && !isRemote(model) && (await isWithin(path, model)))
    throw refused(file, 'it would become a file of the model, which nobody signed', 'Name a file outside the model.')
  return path
}

async function isWithin(path: string, model: string): Promise<boolean> {
  const [directory, inner] = await Promise.all([real(dirname(path)), real(model)])
  const way = relative(inner, join(directory, basename(path)))
  return way === '' || !(way === '..' || /^\.\.[/\\]/.test(way) || isAbsolute(way))
}

/** A directory that does not exist is refused when the page is written. */
function real(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}

function refused(file: string, reason: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot write the page to ${shown(file)}: ${reason}.`, { hint })
}
