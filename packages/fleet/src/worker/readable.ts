import { realpath } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Job } from '../jobs/job.ts'

/** What a worker reads for others. Everything else in a job is refused: digests of short ranges would give the content away. */
export interface Readable {
  /** Absolute paths of directories with models. */
  readonly roots: readonly string[]
  /** Beginnings of URLs of models, such as `hf://acme/`. */
  readonly urls: readonly string[]
}

/** @throws {@link ModelSealError} `FLEET_JOB` */
export async function checkReadable({ source, files }: Job, { roots, urls }: Readable): Promise<void> {
  if (source !== undefined) {
    if (!urls.some((url) => isBelow(source, url))) throw notReadable(source, 'URL', urls)
    return
  }
  // A link within a root may lead out of it.
  const real = await Promise.all(roots.map((root) => realpath(root)))
  for (const { name } of files) {
    // Whatever is wrong with the file is reported by whoever opens it.
    const path = isAbsolute(name) ? await realpath(name).catch(() => name) : name
    const isInside = real.some((root) => {
      const way = relative(root, path)
      return isAbsolute(path) && way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
    })
    if (!isInside) throw notReadable(name, 'file', roots)
  }
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
