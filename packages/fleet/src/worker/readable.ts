import { opendir, realpath } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Job } from '../jobs/job.ts'

/** What a worker reads for others. Everything else in a job is refused: digests of short ranges would give the content away. */
export interface Readable {
  /** Absolute paths of directories with models. */
  readonly roots: readonly string[]
  /** Beginnings of URLs of models, such as `hf://acme/`. */
  readonly urls: readonly string[]
}

/**
 * Checks what a job asks for.
 *
 * @returns for files on disk, the check of where each one really is once it was opened: a link within a root may lead out of it, and may be put there
 * at any time
 * @throws {@link ModelSealError} `FLEET_JOB`
 */
export async function checkReadable(
  { source, files }: Job,
  { roots, urls }: Readable,
): Promise<(path: string, realPath: string) => void> {
  // One that has gone away has no files. The others are still read.
  const real = (await Promise.allSettled(roots.map((root) => realpath(root)))).flatMap((place) =>
    place.status === 'fulfilled' ? place.value : [],
  )
  const checkPlace = (name: string, path: string) => {
    if (!real.some((root) => isInside(root, path))) throw notReadable(name, 'file', roots)
  }
  if (source !== undefined) {
    if (!urls.some((url) => isBelow(source, url))) throw notReadable(source, 'URL', urls)
    return checkPlace
  }
  // Whether there is a file outside is not told either. Whatever else is wrong with it is reported by whoever opens it.
  for (const { name } of files) checkPlace(name, isAbsolute(name) ? await realpath(name).catch(() => name) : name)
  return checkPlace
}

/**
 * Checks that each root is a directory that can be read.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export async function checkRoots(roots: readonly string[]): Promise<void> {
  for (const root of roots) {
    const reason = await opendir(root).then((directory) => directory.close(), messageOf)
    if (reason === undefined) continue
    throw new ModelSealError('INVALID_ARGUMENT', `Cannot start the worker: it cannot read ${shown(root)}.`, {
      file: root,
      expected: 'a directory of models',
      found: reason,
    })
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return isAbsolute(path) && way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** What readers of URLs or servers may take as the way to the directory above, or leave out so that it becomes one. */
const DOUBTFUL = /(^|\/)\.{1,2}(\/|$)|%(2e|2f|5c)|[\\\p{Cc}]/iu

function isBelow(source: string, url: string): boolean {
  const beginning = url.endsWith('/') ? url : `${url}/`
  return source === url || (source.startsWith(beginning) && !DOUBTFUL.test(source))
}

function notReadable(file: string, what: string, readable: readonly string[]): ModelSealError {
  return new ModelSealError('FLEET_JOB', `Cannot do the job: this worker may not read the ${what} ${shown(file)}.`, {
    file,
    expected: readable.length === 0 ? 'nothing' : `below ${readable.map((one) => shown(one)).join(' or ')}`,
    hint: 'Start the worker with --root DIRECTORY for models on disk, and with --allow URL for others.',
  })
}
