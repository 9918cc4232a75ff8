import { HttpClient } from '../source/http-client.ts'
import { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from '../source/http-options.ts'
import { httpSource, type HttpSource } from '../source/http-source.ts'
import type { FoundBundle } from './find-bundles.ts'

/** A model behind HTTP, and the means to fetch its files. */
export interface HttpModel {
  source: HttpSource
  client: HttpClient
  options: CheckedHttpOptions
}

/** {@link HttpModel} with its bundles: what `FoundModel` is for a model on this machine. */
export interface FoundHttpModel extends HttpModel {
  /** The file that was asked for, relative to the source, where the source is a directory above it. */
  entry?: string
  /** In the order in which they count: at least one. */
  bundles: FoundBundle[]
}

interface HttpLoadOptions {
  http?: HttpOptions | undefined
  /** Of all files together, where that is less than `http` allows. */
  maxBytes?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * @param url as `modelUrl` has found nothing wrong with
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function httpModel(url: string, { http, maxBytes = Infinity, signal }: HttpLoadOptions): HttpModel {
  const checked = checkedHttpOptions(http)
  const options = { ...checked, maxBytes: Math.min(checked.maxBytes, maxBytes) }
  const target = new URL(url)
  target.hash = ''
  const source = httpSource(target)
  return { source, options, client: new HttpClient(source.url.origin, options, signal) }
}
