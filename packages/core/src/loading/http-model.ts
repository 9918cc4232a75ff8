import { HttpClient } from '../source/http-client.ts'
import { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from '../source/http-options.ts'
import { httpSource, type HttpSource } from '../source/http-source.ts'
import { TOGETHER } from '../source/size-limit.ts'
import type { FoundBundle } from './find-bundles.ts'

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
