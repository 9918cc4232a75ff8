import { pathToFileURL } from 'node:url'

/**
 * The code of a hashing thread. When run from source, it is the file next to this one. The build inlines that file
 * with all its imports (build/threads.ts), so that no bundler or tracer has to find it, and no other file of that name
 * can be started instead.
 */
export const THREAD_CODE: string | URL = new URL('./thread.ts', import.meta.url)

/** The module of the tasks, for a pool of the program, which can only run files. */
export function workerFile(): URL {
  // Bundlers leave one of the two undefined.
  return import.meta.url ? new URL('./worker.ts', import.meta.url) : new URL('./worker.ts', pathToFileURL(__filename))
}
