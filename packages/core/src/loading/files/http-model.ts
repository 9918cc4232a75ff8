import { isUrl, kindOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { HttpClient } from '../../source/http/client.ts'
import { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from '../../source/http/options.ts'
import { httpSource, urlOf, type HttpSource } from '../../source/http/url.ts'
import { TOGETHER } from '../../source/size-limit.ts'
import type { FoundBundle } from '../bundles/find-bundles.ts'

/** A model behind HTTP, and the means to fetch its files. */
export interface HttpModel {
  source: HttpSource
  client: HttpClient
  options: CheckedHttpOptions
  /** Of all files of the model together. */
  limit: {
    maxBytes: number
    /** What it is for, and by which option, for messages. */
    what: string
  }
}

/** {@link HttpModel} with its bundles: what `FoundModel` is for a model on this machine. */
export interface FoundHttpModel extends HttpModel {
  /** The file that was asked for, relative to the source, where the source is a directory above it. */
  entry: string | undefined
  /** In the order in which they count: at least one. */
  bundles: FoundBundle[]
}

/**
 * Where a signed file is fetched from.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for what the option `http.urlFor` gives, where that is no address;
 * `HTTP_TIMEOUT` where it gives nothing in time, `ABORTED`
 */
export async function urlOfFile({ source, client, options: { urlFor } }: HttpModel, name: string): Promise<URL> {
  const own = urlOf(source, name)
  if (!urlFor) return own
  const request = { url: own, what: 'address of', waitsFor: 'Check what "http.urlFor" waits for' }
  const given: unknown = await client.wait(request, async () => urlFor(name))
  if (given === undefined) return own
  const url = URL.parse(isUrl(given) ? given.href : typeof given === 'string' ? given : '')
  const usable = url?.protocol === 'https:' || (url?.protocol === 'http:' && own.protocol === 'http:')
  if (url && usable && url.username === '' && url.password === '') return url
  // What was given is not shown: it may hold a secret.
  throw new ModelSealError('INVALID_ARGUMENT', `The option "http.urlFor" returned no usable URL for ${shown(name)}.`, {
    file: name,
    expected: `an absolute ${own.protocol === 'https:' ? 'https URL' : 'http or https URL'} without credentials`,
    found: url && !usable ? shown(url.protocol) : kindOf(given),
  })
}

interface HttpLoadOptions {
  http?: HttpOptions | undefined
  /** Of all files of the model together, where that is less than `http` allows. */
  maxBytes?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * @param url as `modelUrl` has found nothing wrong with
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function httpModel(url: string, { http, maxBytes = Infinity, signal }: HttpLoadOptions): HttpModel {
  const options = checkedHttpOptions(http)
  const byHttp = options.maxBytes <= maxBytes
  const limit = {
    maxBytes: byHttp ? options.maxBytes : maxBytes,
    what: `${TOGETHER} ("${byHttp ? 'http.maxBytes' : 'maxBytes'}")`,
  }
  const target = new URL(url)
  target.hash = ''
  const source = httpSource(target)
  return { source, options, limit, client: new HttpClient(source.url.origin, options, signal) }
}
