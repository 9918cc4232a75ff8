import { pathToFileURL } from 'node:url'

/**
 * What a hashing thread runs. From source, that is the file beside this one. The build puts the text of that file
 * here, with all that it imports (tsup.config.ts), so that neither a bundler nor a tracer has to find a file, and no
 * other file of that name can be started instead.
 */
export const THREAD_CODE: string | URL = new URL('./thread.ts', import.meta.url)

/** The module of the tasks, for a pool that the program brings: such a pool starts files alone. */
export function workerFile(): URL {
  // A bundler leaves one of them undefined.
  return import.meta.url ? new URL('./worker.ts', import.meta.url) : new URL('./worker.ts', pathToFileURL(__filename))
}
