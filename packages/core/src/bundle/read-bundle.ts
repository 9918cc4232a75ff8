import { ModelSealError } from '../errors.ts'
import { signal as abortSignal } from '../kinds.ts'
import { snapshot, type Shape } from '../snapshot.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { BUNDLE_TO_READ, readSmallFile } from '../source/read-small-file.ts'
import {
  bundleTooLarge,
  checkIsBundle,
  LARGEST_BUNDLE_BYTES,
  MAX_BUNDLE_BYTES,
  parseOwnBundle,
  type UnverifiedBundle,
} from './bundle.ts'

interface ReadBundleOptions {
  /** Maximum size of the bundle in bytes (default: 32 MiB; a manifest of 100,000 files takes 17 MiB). */
  maxBytes?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Reads and parses a bundle file. Leaves the statement unparsed, because nothing in a bundle is trusted before its signature is verified.
 *
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `BUNDLE_TOO_LARGE`, `FILE_UNREADABLE`,
 * `INVALID_ARGUMENT`, `FILE_SPECIAL`, `ABORTED`, and what {@link parseOwnBundle} throws
 * @example
 * ```ts
 * const bundle = await readBundle('models/vad/model.sig', { signal: AbortSignal.timeout(10_000) })
 * ```
 */
export async function readBundle(path: string, options?: ReadBundleOptions): Promise<UnverifiedBundle> {
  return (await readBundleWithBytes(path, options)).bundle
}

/** Like {@link readBundle}, with the bytes that were parsed. */
export async function readBundleWithBytes(
  path: string,
  options?: ReadBundleOptions,
): Promise<{ bundle: UnverifiedBundle; bytes: Buffer }> {
  const { maxBytes, signal } = snapshot(options, OPTIONS, 'readBundle')
  throwIfAborted(signal)
  const bytes = await readBytes(path, checkedMaxBundleBytes(maxBytes, 'maxBytes'))
  return { bundle: await parseOwnBundle(bytes, path, signal), bytes }
}

const OPTIONS: Shape<ReadBundleOptions> = { maxBytes: true, signal: abortSignal }

/** Whether the file is a bundle, which a new signature may replace and which is not part of the model. */
export async function isBundle(path: string): Promise<boolean> {
  try {
    await checkIsBundle(await readBytes(path, LARGEST_BUNDLE_BYTES), path)
    return true
  } catch (error) {
    if (error instanceof ModelSealError) return false
    throw error
  }
}

/**
 * Checks the maximum bundle size that a caller gave.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedMaxBundleBytes(given: unknown, option = 'maxBundleBytes'): number {
  if (given === undefined) return MAX_BUNDLE_BYTES
  if (Number.isSafeInteger(given) && (given as number) > 0 && (given as number) <= LARGEST_BUNDLE_BYTES)
    return given as number
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${option}".`, {
    expected: `an integer from 1 to ${LARGEST_BUNDLE_BYTES} (bytes)`,
    found: typeof given === 'number' ? String(given) : typeof given,
  })
}

async function readBytes(path: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readSmallFile(path, { ...BUNDLE_TO_READ, maxBytes })
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_TOO_LARGE')
      throw bundleTooLarge(path, maxBytes, { found: error.found, cause: error })
    throw error
  }
}
