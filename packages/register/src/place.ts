import { absolutePath } from '@modelseal/core/environment'

/** The location of a model, as it was when the program requested the load. */
interface Place {
  /** The path or URL for the adapter. */
  path: string
  /** The path or URL for the program's runtime. */
  plain: string
}

/**
 * Makes a path absolute immediately, because the program may change its working directory while adapters are imported and
 * policies are read. URLs do not change, except `file://relative`, which tfjs-node takes for a relative path.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the working directory was deleted
 */
export function placeOf(source: string): Place {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)
  const rest = source.slice(scheme?.[0].length ?? 0)
  // The adapter refuses anything else with its own message.
  if (rest === '' || rest.includes('\0')) return { path: source, plain: source }
  if (!scheme) return { path: absolutePath(source), plain: absolutePath(source) }
  if (scheme[1]?.toLowerCase() !== 'file' || rest.startsWith('/')) return { path: source, plain: source }
  return { path: absolutePath(rest), plain: scheme[0] + absolutePath(rest) }
}
