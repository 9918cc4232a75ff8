import { isUrl, kindOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type * as port from '../model-source.ts'
import { ownSource } from '../own-sources.ts'
import { UNTIMED } from '../source-reader.ts'
import { HttpClient, plainUrl, type HttpRequest } from './client.ts'
import { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from './options.ts'
import { besideUrl, httpSource, isDirectory, isHttpUrl, nameBelow, parentUrl, urlOf, type HttpSource } from './url.ts'

/** Each directory above costs a request. */
const MAX_DIRECTORIES_ABOVE = 8
/** Names of bundles in a rule that are asked for, in each directory. */
const MAX_NAMES = 8
/** Stores that may not be listed answer 403 for what they do not have. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])

/** @param url absolute, as the caller gave it; one of a directory ends with a slash */
export function httpModelSource(url: string, http: HttpOptions | undefined): port.ModelSource {
  return ownSource({ place: { url }, open: (load) => new HttpSession(url, checkedHttpOptions(http), load) })
}

/** A model behind HTTP. There is no listing: bundles are asked for by name, and files by the names of the manifest. */
class HttpSession implements port.SourceSession {
  /** The client watches over its requests itself. */
  readonly timeouts = UNTIMED
  readonly limit: port.SourceSession['limit']
  readonly #source: HttpSource
  readonly #options: CheckedHttpOptions
  readonly #client: HttpClient

  constructor(url: string, options: CheckedHttpOptions, { signal }: port.SourceLoad) {
    const target = new URL(url)
    target.hash = ''
    this.#source = httpSource(target)
    this.#options = options
    this.#client = new HttpClient(target.origin, options, signal)
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

  bundleAt(signature: string): port.BundleCandidate | undefined {
    return isHttpUrl(signature) ? this.#candidate(new URL(signature)) : undefined
  }

  *directories(): Generator<port.ModelDirectory & { url: URL }> {
    const { url } = this.#source
    if (isDirectory(this.#source)) return
    for (let directory = parentUrl(url); directory; directory = parentUrl(directory)) {
      const above = directory
      // Only what is used has to have a name.
      yield {
        url: above,
        files: () => this.#files(httpSource(above)),
        get entry() {
          return nameBelow(above, url)
        },
      }
    }
  }

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT` where files come from elsewhere than the URL that the rule was chosen by */
  unverified(): port.UnverifiedModel {
    const { urlFor, fetch } = this.#options
    if (urlFor ?? fetch) throw this.#fromElsewhere(urlFor ? 'http.urlFor' : 'http.fetch')
    const source = this.#source
    // What a loader asks for by convention is all that can be told.
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
    // Last, so that it costs nobody a request whose bundle is in one of the usual places.
    const [beside] = above
    if (beside) yield this.#group(besideUrl(beside.url, '/skill.oms.sig'), beside)
  }

  /** Names without wildcards only. */
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

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT` for what the option `http.urlFor` gives, where that is no address; `HTTP_TIMEOUT`, `ABORTED` */
  async #urlOfFile(source: HttpSource, name: string): Promise<URL> {
    const own = urlOf(source, name)
    const { urlFor } = this.#options
    if (!urlFor) return own
    const request = { url: own, what: 'address of', waitsFor: 'Check what "http.urlFor" waits for' }
    const given: unknown = await this.#client.wait(withoutPrototype(request), async () => urlFor(name))
    if (given === undefined) return own
    const url = URL.parse(isUrl(given) ? given.href : typeof given === 'string' ? given : '')
    const usable = url?.protocol === 'https:' || (url?.protocol === 'http:' && own.protocol === 'http:')
    if (url && usable && url.username === '' && url.password === '') return url
    // What was given is not shown: it may hold a secret.
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
      `The option "${option}" cannot be used for ${shown(path)}, which would be loaded unverified.`,
      { hint: 'Leave the option out, or have the model verified, so that signed digests decide what its files are.' },
    )
  }
}
