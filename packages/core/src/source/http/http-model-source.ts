import { isUrl, kindOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type * as port from '../model-source.ts'
import { CLAIMS_NAME } from '../claims-name.ts'
import { ownSource } from '../own-sources.ts'
import { UNTIMED } from '../answers/source-reader.ts'
import { HttpClient } from './client.ts'
import { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from './options.ts'
import { plainUrl, type HttpRequest } from './request.ts'
import { besideUrl, httpSource, isDirectory, isHttpUrl, nameBelow, parentUrl, fileUrl, type HttpSource } from './url.ts'

/** Each parent directory costs a request. */
const MAX_DIRECTORIES_ABOVE = 8
/** Maximum number of bundle names of a rule that are requested in each directory. */
const MAX_NAMES = 8
/** Object stores without permission to list answer 403 for missing objects. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])

/** @param url absolute, as the caller gave it; that of a directory ends with a slash */
export function httpModelSource(url: string, http?: HttpOptions): port.ModelSource {
  return ownSource({ place: { url }, open: (load) => new HttpSession(url, checkedHttpOptions(http), load) })
}

/**
 * A model on a web server. There is no listing: bundles are requested by their usual names, and files by the names in
 * the manifest.
 */
class HttpSession implements port.SourceSession {
  /** The client enforces its own timeouts. */
  readonly timeouts = UNTIMED
  readonly limit: port.SourceSession['limit']
  readonly #source: HttpSource
  readonly #options: CheckedHttpOptions
  readonly #client: HttpClient

  constructor(url: string, options: CheckedHttpOptions, { signal, detached }: port.SourceLoad) {
    const target = new URL(url)
    target.hash = ''
    this.#source = httpSource(target)
    this.#options = options
    this.#client = new HttpClient(target.origin, { ...options, detached }, signal)
    this.limit = { maxBytes: options.maxBytes, option: 'http.maxBytes' }
  }

  model(): port.ModelFiles {
    return this.#files(this.#source)
  }

  /**
   * For a directory: `DIR/model.sig`, else `DIR.sig`, else `DIR/skill.oms.sig`. For a file: `FILE.sig`, else `model.sig` beside
   * it, else `DIR.sig` beside its directory, else `model.sig` of the directories above, else `skill.oms.sig` beside the file.
   */
  bundles(names?: readonly port.NamePattern[]): Iterable<port.BundleGroup> {
    return names ? this.#named(names) : this.#usual()
  }

  /** `claims.jsonl` in a directory, and `MODEL.claims.jsonl` beside the model. */
  claims({ path }: port.ModelFiles): port.ClaimsCandidate[] {
    const urls = [this.#source.url, ...[...this.directories()].map(({ url }) => url)]
    const url = urls.find((one) => plainUrl(one) === path)
    if (!url) return []
    const inside = { ...this.#candidate(besideUrl(url, `/${CLAIMS_NAME}`)), lines: true, name: CLAIMS_NAME }
    const beside = { ...this.#candidate(besideUrl(url, `.${CLAIMS_NAME}`)), lines: true }
    if (!url.pathname.endsWith('/')) return [beside]
    return url.pathname === '/' ? [inside] : [inside, beside]
  }

  bundleAt(signature: string): port.BundleCandidate | undefined {
    return isHttpUrl(signature) ? this.#candidate(new URL(signature)) : undefined
  }

  *directories(): Generator<port.ModelDirectory & { url: URL }> {
    const { url } = this.#source
    if (isDirectory(this.#source)) return
    for (let directory = parentUrl(url); directory; directory = parentUrl(directory)) {
      const above = directory
      // Lazy: only a directory that is used needs a name.
      yield {
        url: above,
        files: () => this.#files(httpSource(above)),
        get entry() {
          return nameBelow(above, url)
        },
      }
    }
  }

  /**
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if files come from somewhere other than the URL that selected the
   * rule
   */
  unverified(): port.PlainModel {
    const { urlFor, fetch } = this.#options
    if (urlFor ?? fetch) throw this.#fromElsewhere(urlFor ? 'http.urlFor' : 'http.fetch')
    const source = this.#source
    // Without a listing, only the name that loaders request by convention is known.
    if (isDirectory(source)) return { files: this.#files(source), names: ['model.json'] }
    const { name } = source
    return { files: this.#files(httpSource(parentUrl(source.url) ?? source.url)), entry: name, names: [name] }
  }

  close(): Promise<void> {
    return this.#client.stop()
  }

  #files(source: HttpSource): port.ModelFiles {
    return {
      path: plainUrl(source.url),
      name: source.name,
      isFile: !isDirectory(source),
      read: async ({ name, range, signed, signal }, receive) => {
        const url = await this.#urlOfFile(source, name)
        return this.#get({ url, what: signed ? 'signed file' : 'file', range, signal }, receive)
      },
    }
  }

  *#usual(): Generator<port.BundleGroup> {
    const { url } = this.#source
    if (isDirectory(this.#source)) {
      yield this.#group(besideUrl(url, '/model.sig'))
      if (url.pathname !== '/') yield this.#group(besideUrl(url, '.sig'))
      yield this.#group(besideUrl(url, '/skill.oms.sig'))
      return
    }
    yield this.#group(besideUrl(url, '.sig'))
    const above = [...this.directories()].slice(0, MAX_DIRECTORIES_ABOVE)
    for (const [index, directory] of above.entries()) {
      yield this.#group(besideUrl(directory.url, '/model.sig'), directory)
      if (index === 0 && directory.url.pathname !== '/') yield this.#group(besideUrl(directory.url, '.sig'), directory)
    }
    // Last, so that bundles in the usual places cost no extra request.
    const [beside] = above
    if (beside) yield this.#group(besideUrl(beside.url, '/skill.oms.sig'), beside)
  }

  /** Only names without wildcards can be requested. */
  *#named(patterns: readonly port.NamePattern[]): Generator<port.BundleGroup> {
    const names = patterns
      .flatMap(({ spelled }) => spelled)
      .filter((components) => !components.includes(undefined))
      .map((components) => components.map((component) => encodeURIComponent(component ?? '')).join('/'))
      .slice(0, MAX_NAMES)
    const { url } = this.#source
    if (isDirectory(this.#source)) {
      for (const name of names) yield this.#group(besideUrl(url, `/${name}`))
      return
    }
    for (const directory of [...this.directories()].slice(0, MAX_DIRECTORIES_ABOVE + 1))
      for (const name of names) yield this.#group(besideUrl(directory.url, `/${name}`), directory)
  }

  #group(url: URL, directory?: port.ModelDirectory): port.BundleGroup {
    return { candidates: [this.#candidate(url)], directory }
  }

  #candidate(url: URL): port.BundleCandidate {
    const request = { url, what: 'signature bundle', absent: ABSENT }
    return { path: plainUrl(url), read: ({ signal }, receive) => this.#get({ ...request, signal }, receive) }
  }

  async #get(request: HttpRequest, receive: port.Receive): Promise<void> {
    await this.#client.get(withoutPrototype(request), ({ length, chunks }) => receive({ size: length, chunks }))
  }

  /**
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if the option `http.urlFor` returns no usable URL;
   * `HTTP_TIMEOUT`, `ABORTED`
   */
  async #urlOfFile(source: HttpSource, name: string): Promise<URL> {
    const own = fileUrl(source, name)
    const { urlFor } = this.#options
    if (!urlFor) return own
    const request = { url: own, what: 'URL for', waitsFor: 'Check what "http.urlFor" is waiting for' }
    const given: unknown = await this.#client.wait(withoutPrototype(request), async () => urlFor(name))
    if (given === undefined) return own
    const url = URL.parse(isUrl(given) ? given.href : typeof given === 'string' ? given : '')
    const usable = url?.protocol === 'https:' || (url?.protocol === 'http:' && own.protocol === 'http:')
    if (url && usable && url.username === '' && url.password === '') return url
    // The value is not shown, because it may contain a secret.
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `The option "http.urlFor" returned no usable URL for ${shown(name)}.`,
      {
        file: name,
        expected: `an absolute ${own.protocol === 'https:' ? 'https URL' : 'http or https URL'} without credentials`,
        found: url && !usable ? shown(url.protocol) : kindOf(given),
      },
    )
  }

  #fromElsewhere(option: string): ModelSealError {
    const path = plainUrl(this.#source.url)
    return new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot use option "${option}" for ${shown(path)}: the model would be loaded unverified.`,
      {
        hint: 'Remove the option, or change the policy so that the model is verified and its files are checked by their signed digests.',
      },
    )
  }
}
