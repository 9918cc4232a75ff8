import type { PackageURL } from 'packageurl-js'
import { messageOf } from '../../any-realm.ts'
import { LibraryNeeded } from '../when-needed.ts'

/** Package URLs (https://github.com/package-url/purl-spec), by which a model has a name and version wherever it is stored. */

/** Longer than any real one. */
const MAX_LENGTH = 2_048

/**
 * What was expected instead of a text that is not a package URL which a model can have; undefined if it is one.
 *
 * @throws {@link LibraryNeeded}
 */
export function packageUrlFault(text: string): string | undefined {
  const expected = 'expected a package URL such as pkg:huggingface/acme/vad@COMMIT'
  if (text.length > MAX_LENGTH) return `${expected} of at most ${MAX_LENGTH} characters`
  try {
    const { subpath } = parse(text)
    // No model is a part of a package, so it would never match.
    return subpath === undefined ? undefined : `${expected}, without a part after "#"`
  } catch (error) {
    if (error instanceof LibraryNeeded) throw error
    return `${expected} (${messageOf(error)})`
  }
}

function parse(text: string): PackageURL {
  if (!library) throw new LibraryNeeded(loadLibrary)
  return library.PackageURL.fromString(text)
}

let library: { PackageURL: typeof PackageURL } | undefined

async function loadLibrary(): Promise<void> {
  library = await import('packageurl-js')
}
