import { plainPlace, schemeOf } from '../absolute-path.ts'
import { ModelSealError, shown } from '../errors.ts'
import { callback } from '../kinds.ts'
import type { ModelSource } from './model-source.ts'

/** Creates a source for a URL, which is passed as the caller gave it. */
export type SourceOfUrl = (url: string) => ModelSource

/**
 * Schemes that are never paths, and the package that registers each. Only packages of this repository are named,
 * because anyone could publish a package under a name that is not taken.
 */
const PACKAGES: Readonly<Record<string, string | undefined>> = {
  hf: '@modelseal/hub',
  oci: '@modelseal/hub',
  s3: '@modelseal/s3',
}
/** The core's own. */
const OWN: ReadonlySet<string> = new Set(['file', 'http', 'https'])

/** Shared by the ESM and CommonJS builds and by all copies of this package in a thread. */
const TABLE = Symbol.for('modelseal.schemes.1')

/**
 * Registers a source for a URL scheme, for `openVerifiedModel('hf://…')`. A package calls this when it is imported. If
 * the scheme is already registered, for example by another copy of the package, the first registration stays.
 *
 * @param scheme in lowercase, without a colon
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid scheme, or one of the core's own
 * @example
 * ```ts
 * import { registerScheme } from '@modelseal/core/source'
 *
 * registerScheme('store', (url) => storeSource(url))
 * ```
 */
export function registerScheme(scheme: string, sourceOf: SourceOfUrl): void {
  if (typeof scheme !== 'string' || !/^[a-z][a-z0-9+.-]+$/.test(scheme) || OWN.has(scheme)) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot register the URL scheme of a source.', {
      expected: 'a scheme in lowercase without a colon, other than file, http and https',
      found: typeof scheme === 'string' ? shown(scheme) : typeof scheme,
    })
  }
  callback(sourceOf, 'sourceOf')
  const table = registered()
  if (!table.has(scheme)) table.set(scheme, sourceOf)
}

/** The scheme of a URL that only a package can load; undefined for paths and the URLs of the core. */
export function packageScheme(location: unknown): string | undefined {
  const scheme = schemeOf(location)
  return scheme !== undefined && !OWN.has(scheme) ? scheme : undefined
}

/** @throws {@link ModelSealError} `SCHEME_UNKNOWN`, and what the package throws */
export function sourceOfUrl(url: string, scheme: string): ModelSource {
  const sourceOf = registered().get(scheme)
  if (sourceOf) return sourceOf(url)
  const name = Object.hasOwn(PACKAGES, scheme) ? PACKAGES[scheme] : undefined
  const place = shown(plainPlace(url))
  throw new ModelSealError('SCHEME_UNKNOWN', `Cannot load ${place}: no imported package provides "${scheme}:" URLs.`, {
    expected: name === undefined ? `a source for "${scheme}:" URLs` : `${name}, imported before the first load`,
    hint:
      name === undefined
        ? `Register a source with registerScheme('${scheme}', …) of "@modelseal/core/source" before the first load, or download the model and give the path.`
        : `Install ${name}, and add \`import '${name}'\` to the program, or start it with "node --import ${name}".`,
  })
}

function registered(): Map<string, SourceOfUrl> {
  const shared = globalThis as { [TABLE]?: Map<string, SourceOfUrl> | undefined }
  return (shared[TABLE] ??= new Map<string, SourceOfUrl>())
}
