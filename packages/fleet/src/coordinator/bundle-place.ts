import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { LARGEST_BUNDLE_BYTES, sourceOf, type WritableBundle } from '@modelseal/core/distributed'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isUrl } from '../catalogue/model-line.ts'

/** As for loads. */
const MAX_BUNDLE_BYTES = 256 * 1024 * 1024

/** Where the bundle of a model is put. */
export interface BundlePlace {
  /** Path or URL of the bundle. */
  readonly path: string
  /** Path on this machine at which it is signed. */
  readonly signature: string
  /** Names in the model that are not signed, because the bundle will be there. */
  readonly ignorePaths: readonly string[]
  /** @returns the bundle that is there; undefined if there is none, or none that can be read */
  read(): Promise<Uint8Array | undefined>
  /** Brings what was signed to where it belongs. */
  publish(): Promise<void>
  close(): Promise<void>
}

/**
 * Where loads look for the bundle of a model: beside or in it, on this machine or where its source is written to; or in the directory of bundles,
 * if there is one, for a model that is elsewhere.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` (a source that is only read, and no directory of bundles), and what the source throws
 */
export async function bundlePlace(
  model: string,
  bundles: string | undefined,
  signal: AbortSignal | undefined,
): Promise<BundlePlace> {
  if (!isUrl(model)) return onThisMachine(bundleWithin(model)[0] ?? `${model}.sig`)
  if (bundles !== undefined) return onThisMachine(bundleIn(bundles, model))
  const bundle = await sourceOf(model).bundleToWrite?.({ signal })
  if (bundle) return BundleElsewhere.open(bundle)
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot sign ${shown(model)}: no bundle can be written beside it.`, {
    expected: 'a directory for the bundles of such models',
    hint: 'On the command line, give it with --bundles.',
  })
}

/** The bundle that signing puts into a model, and does not sign. */
export function bundleWithin(model: string): string[] {
  if (isUrl(model)) return sourceOf(model).bundleToWrite ? ['model.sig'] : []
  return isDirectory(model) ? [join(model, 'model.sig')] : []
}

/** The file in the directory of bundles: readable, and never that of another URL. */
export function bundleIn(bundles: string, model: string): string {
  const readable = model.replace(/^[a-z]+:\/\//i, '').replace(/[^A-Za-z0-9._-]+/g, '-')
  const digest = createHash('sha256').update(model).digest('hex').slice(0, 16)
  return join(bundles, `${readable.slice(-128)}.${digest}.sig`)
}

function onThisMachine(path: string): BundlePlace {
  const nothing = () => Promise.resolve()
  // Whoever can write to the model may have put a FIFO or a device there.
  const how = { what: 'signature bundle', maxBytes: MAX_BUNDLE_BYTES }
  const read = () => readSmallFile(path, how).catch(() => undefined)
  return { path, signature: path, ignorePaths: [], read, publish: nothing, close: nothing }
}

/** Signed in a private directory, and then written to the source. */
class BundleElsewhere implements BundlePlace {
  readonly path: string
  readonly signature: string
  readonly ignorePaths: readonly string[]
  readonly #bundle: WritableBundle
  readonly #directory: string
  readonly #there: Uint8Array | undefined

  static async open(bundle: WritableBundle): Promise<BundleElsewhere> {
    let directory: string | undefined
    try {
      const there = await bundle.read(LARGEST_BUNDLE_BYTES)
      directory = await mkdtemp(join(tmpdir(), 'modelseal-bundle-'))
      // Signing decides whether it may be replaced.
      if (there) await writeFile(join(directory, 'model.sig'), there)
      return new BundleElsewhere(bundle, directory, there)
    } catch (error) {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true })
      await bundle.close()
      throw error
    }
  }

  private constructor(bundle: WritableBundle, directory: string, there: Uint8Array | undefined) {
    this.#bundle = bundle
    this.#directory = directory
    this.#there = there
    this.path = bundle.path
    this.signature = join(directory, 'model.sig')
    this.ignorePaths = bundle.name === undefined ? [] : [bundle.name]
  }

  read(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#there)
  }

  async publish(): Promise<void> {
    await this.#bundle.write(await readFile(this.signature))
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
    await this.#bundle.close()
  }
}

/** An error about the path at which the bundle is signed, as one about where it belongs. */
export function atBundlePlace(error: unknown, { path, signature }: Pick<BundlePlace, 'path' | 'signature'>): unknown {
  if (!(error instanceof ModelSealError) || error.file !== signature || path === signature) return error
  const message = error.message.replace(shown(signature), () => shown(path))
  return ModelSealError.revive({ ...error.toJSON(), message, file: path })
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // Whoever opens it reports what is wrong with it.
    return true
  }
}
