import { checkIsBundle, MAX_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { buildStreamed, type StreamedManifest } from './build-streamed.ts'
import { listed } from '../../manifest/compare-listing.ts'
import { ignoring } from '../../manifest/ignores.ts'
import { ignorePathFault, isWithin } from '../../manifest/names.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { CLAIMS_NAME, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import { BodyBuffer } from '../../source/body-buffer.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import { modelLocation, sourceAt } from '../../source/model-location.ts'
import type { ModelFiles, ModelSource, SourceEntry } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { fileTooLarge } from '../../source/size-limit.ts'
import { areAttestations } from '../attestations-inside.ts'
import { pointerWarning, type SigningWarning } from '../doubtful-files.ts'
import { mayBeBundle, type ModelToSign } from './model-to-sign.ts'

interface RemoteOptions {
  signal?: AbortSignal | undefined
  maxBytes?: number | undefined
  onProgress?: ProgressCallback | undefined
  trustStatedDigests?: boolean | undefined
  /** Files whose SHA-256 is computed besides what the serialization says. */
  alsoWhole?: ((name: string) => boolean) | undefined
}

/**
 * Opens a model by its URL or source, for one operation.
 *
 * @throws {@link ModelSealError} `SCHEME_UNKNOWN`, `SOURCE_LISTING`, `ABORTED`, and what the source throws
 */
export async function withRemoteModel<T>(
  model: string | URL | ModelSource,
  { signal, maxBytes }: RemoteOptions,
  work: (remote: RemoteModel) => Promise<T>,
): Promise<T> {
  const { model: remote, close } = await openRemoteModel(model, { signal, maxBytes })
  try {
    return await work(remote)
  } finally {
    await close()
  }
}

/**
 * Like {@link withRemoteModel}, for a caller that closes the model.
 *
 * @throws {@link ModelSealError} as {@link withRemoteModel}
 */
export async function openRemoteModel(
  model: string | URL | ModelSource,
  { signal, maxBytes }: Pick<RemoteOptions, 'signal' | 'maxBytes'>,
): Promise<{ model: RemoteModel; close: () => Promise<void> }> {
  const http = maxBytes === undefined ? undefined : { maxBytes }
  const opened = await OpenedSource.open(sourceAt(modelLocation(model), http), { signal })
  const close = async () => {
    await opened.close()
  }
  try {
    return { model: new RemoteModel(opened, await opened.model(), signal), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A model that is not on this machine. Its files are hashed as they arrive, and are written nowhere. */
export class RemoteModel implements ModelToSign {
  readonly files: ModelFiles
  readonly opened: OpenedSource
  readonly #signal: AbortSignal | undefined
  #entries: Promise<readonly SourceEntry[]> | undefined
  #pointers: readonly string[] = []

  constructor(opened: OpenedSource, files: ModelFiles, signal: AbortSignal | undefined) {
    this.opened = opened
    this.files = files
    this.#signal = signal
  }

  get path(): string {
    return this.files.path
  }

  get name(): string {
    return this.files.name
  }

  get isFile(): boolean {
    return this.files.isFile
  }

  /** Set if the source has the model on this machine, as a cache does. */
  get local(): LocalSource | undefined {
    return this.files.local
  }

  get revision(): string | undefined {
    return this.opened.revision
  }

  get requested(): string | undefined {
    return this.opened.requested
  }

  ignoredNames(paths: readonly string[]): string[] {
    for (const path of paths) {
      const fault = ignorePathFault(path)
      if (fault === undefined) continue
      throw new ModelSealError('INVALID_ARGUMENT', `Cannot ignore the path ${shown(path)}: ${fault}.`, {
        file: path,
        expected: 'a path relative to the model',
      })
    }
    return this.isFile ? [] : [...paths]
  }

  async bundles(): Promise<string[]> {
    const names = (await this.#listed()).map(({ name }) => name).filter(mayBeBundle)
    const bundles: string[] = []
    if (!this.isFile) for (const name of names) if (await this.isBundle(name)) bundles.push(name)
    return bundles
  }

  async fileNames(serialization: Serialization): Promise<string[]> {
    return (await this.#toSign(serialization)).map(({ name }) => name)
  }

  async largestSize(serialization: Serialization): Promise<number> {
    const entries = await this.#toSign(serialization)
    return entries.reduce((largest, { size = Infinity }) => Math.max(largest, size), 0)
  }

  /** All files that the source lists, with what it states about them. */
  entries(): Promise<readonly SourceEntry[]> {
    return this.#listed()
  }

  /**
   * Hashes the model.
   *
   * @throws {@link ModelSealError} like `buildStreamed`; `INVALID_ARGUMENT` for digests that are stated but cannot be signed
   */
  async build(serialization: Serialization, options: RemoteOptions): Promise<StreamedManifest> {
    const { maxBytes, onProgress, trustStatedDigests: trustStated = false, alsoWhole } = options
    const { method, hashType } = serialization
    if (trustStated && (method !== 'files' || hashType !== 'sha256')) {
      throw new ModelSealError(
        'INVALID_ARGUMENT',
        'Cannot take digests as the source states them: they are of whole files, by SHA-256.',
        {
          expected: 'the hash type sha256, and whole files: no shard size, and for a dataset, the option "wholeFiles"',
          found: method === 'files' ? hashType : `${hashType} in shards`,
        },
      )
    }
    const reader = this.opened.newReader()
    try {
      const { files } = this
      const entries = await this.#toSign(serialization)
      const limit = this.opened.limit(files, maxBytes)
      const built = await buildStreamed(serialization, {
        files,
        reader,
        entries,
        limit,
        trustStated,
        revision: this.revision,
        signal: this.#signal,
        alsoWhole: alsoWhole !== undefined,
        onProgress,
      })
      this.#pointers = built.pointers
      return built
    } finally {
      await reader.stop()
    }
  }

  warnings(): Promise<SigningWarning[]> {
    return Promise.resolve(pointerWarning(this.#pointers))
  }

  /** Whether a file of the model is a bundle. */
  async isBundle(name: string): Promise<boolean> {
    try {
      const bytes = await this.#bytesOf(name, MAX_BUNDLE_BYTES)
      if (bytes) await checkIsBundle(bytes)
      return bytes !== undefined
    } catch (error) {
      if (error instanceof ModelSealError && NOT_A_BUNDLE.test(error.code)) return false
      throw error
    }
  }

  async hasAttestations(): Promise<boolean> {
    if (this.isFile || !(await this.#listed()).some(({ name }) => name === CLAIMS_NAME)) return false
    try {
      const bytes = await this.#bytesOf(CLAIMS_NAME, MAX_CLAIMS_BYTES)
      return bytes !== undefined && (await areAttestations(bytes))
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'FILE_TOO_LARGE') return false
      throw error
    }
  }

  async smallFile(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return (await this.#listed()).some((entry) => entry.name === name) ? this.#bytesOf(name, maxBytes) : undefined
  }

  #bytesOf(name: string, maxBytes: number): Promise<Buffer | undefined> {
    return this.opened.reader.read(
      `file ${shown(name)}`,
      (signal, receive) => this.files.read({ name, maxBytes, kept: true, signal }, receive),
      async ({ size, chunks }) => {
        const buffer = new BodyBuffer(name, size, maxBytes)
        let length = 0
        for await (const chunk of chunks) {
          length += chunk.length
          if (length > maxBytes) throw fileTooLarge(name, maxBytes)
          buffer.add(chunk)
        }
        return Buffer.from(buffer.finish())
      },
    )
  }

  async #toSign({ ignorePaths = [] }: Serialization): Promise<SourceEntry[]> {
    const isIgnored = ignoring(ignorePaths)
    return (await this.#listed()).filter(({ name }) => !isWithin(name, isIgnored))
  }

  async #listed(): Promise<readonly SourceEntry[]> {
    const listing = (this.#entries ??= this.#list())
    try {
      return await listing
    } catch (error) {
      // Whoever needs it next tries again.
      if (this.#entries === listing) this.#entries = undefined
      throw error
    }
  }

  async #list(): Promise<readonly SourceEntry[]> {
    const { files } = this
    if (files.isFile) return [{ name: files.name }]
    if (files.list) {
      const entries = await listed(files, this.opened.reader, this.#signal)
      const names = new Set<string>()
      for (const { name } of entries) if (names.size === names.add(name).size) throw listedTwice(files, name)
      return entries
    }
    throw new ModelSealError(
      'SOURCE_UNLISTED',
      `Cannot hash the model ${shown(files.path)}: its source cannot list its files.`,
      {
        file: files.path,
        hint: 'Download the model, and give the path of its directory.',
      },
    )
  }
}

/** Errors about the content of a file, and not about its source. */
const NOT_A_BUNDLE =
  /^(?:JSON|BUNDLE)_|^(?:FILE_TOO_LARGE|BASE64_INVALID|SIGNATURE_COUNT|PAYLOAD_TYPE|TIMESTAMP_INVALID)$/

function listedTwice({ path }: ModelFiles, name: string): ModelSealError {
  return new ModelSealError(
    'SOURCE_LISTING',
    `Cannot hash the model ${shown(path)}: its source lists ${shown(name)} twice.`,
    {
      file: name,
      hint: `Contact the operator of the source (${shown(path)}).`,
    },
  )
}
