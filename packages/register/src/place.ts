import { absolutePath } from '@modelseal/core/environment'

/** Where a program wants a model loaded from, as it was when it asked. */
export interface Place {
  /** What an adapter takes. */
  path: string
  /** The same for the program's own runtime. */
  plain: string
}

/**
 * Makes a path absolute at once: the adapters are imported, and policies read, before a model is looked for, and the
 * program may change its working directory meanwhile. URLs stay as they are, but for `file://relative`, which tfjs-node
 * takes for a relative path.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` where the working directory was deleted
 */
export function placeOf(source: string): Place {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)
  const rest = source.slice(scheme?.[0].length ?? 0)
  // What is no path is refused by the adapter, in its own words.
  if (rest === '' || rest.includes('\0')) return { path: source, plain: source }
  if (!scheme) return { path: absolutePath(source), plain: absolutePath(source) }
  if (scheme[1]?.toLowerCase() !== 'file' || rest.startsWith('/')) return { path: source, plain: source }
  return { path: absolutePath(rest), plain: scheme[0] + absolutePath(rest) }
}
