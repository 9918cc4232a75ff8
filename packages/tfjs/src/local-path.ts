import { fileURLToPath } from 'node:url'
import { ModelSealError, shown } from '@modelseal/core'

/**
 * The local path that a caller of tf's loaders means. `file:///…` is a URL, percent-decoded by
 * Node; what follows `file://` without a third slash is a path as it stands, as in tfjs-node.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for anything else
 */
export function localPath(source: unknown): string {
  if (typeof source !== 'string' || source === '')
    throw notLocal(typeof source === 'object' ? 'an object, such as an IOHandler' : `a value of type ${typeof source}`)
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)
  if (!scheme) return source
  if (scheme[1]?.toLowerCase() !== 'file') throw notLocal(shown(source))
  const rest = source.slice(scheme[0].length)
  if (rest === '') throw notLocal(shown(source))
  return rest.startsWith('/') ? fromUrl(source) : rest
}

function fromUrl(source: string): string {
  try {
    const url = new URL(source)
    if (url.search === '' && url.hash === '') return fileURLToPath(url)
  } catch (cause) {
    throw notLocal(shown(source), cause)
  }
  throw notLocal(`${shown(source)}, which has a query or fragment`)
}

function notLocal(found: string, cause?: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Only models on this machine can be loaded verified.', {
    expected: 'a path or a "file://" URL',
    found,
    hint: 'Fetch the model together with its signature first, then load it by its path.',
    cause,
  })
}
