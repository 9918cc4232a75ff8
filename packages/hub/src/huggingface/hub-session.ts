import { ModelSealError, shown } from '@modelseal/core/errors'
import type {
  BundleCandidate,
  BundleGroup,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  NamePattern,
  PlainModel,
  SourceSession,
  SourceTimeouts,
} from '@modelseal/core/source'
import { FileModel } from './file-model.ts'
import { FolderModel } from './folder-model.ts'
import { HubClient } from './hub-client.ts'
import { HubFolder } from './hub-folder.ts'
import { hubLocation, hubPackageUrl, type HubLocation } from './hub-location.ts'
import { HubRepository } from './hub-repository.ts'
import type { HubSettings } from './hub-settings.ts'

/** What a URL names: a folder or a file. */
export type HubModel = Pick<SourceSession, 'model' | 'bundles' | 'directories' | 'unverified'> & {
  claims(files: ModelFiles): Promise<ClaimsCandidate[]>
}

/** What a load asks of the hub. */
interface HubLoad {
  readonly location: HubLocation
  readonly settings: HubSettings
  readonly signal: AbortSignal | undefined
  readonly detached?: boolean | undefined
}

/** One load of a model from the hub. */
export class HubSession implements SourceSession {
  readonly revision: string
  readonly requested: string
  readonly packageUrl: string | undefined
  /** The client enforces its own. */
  readonly timeouts: SourceTimeouts = { idle: Infinity, total: Infinity }
  readonly #load: HubLoad
  readonly #repository: HubRepository
  readonly #model: HubModel
  readonly #clients: HubClient[]

  /** @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `SOURCE_FAILED`, `SOURCE_LISTING`, and what the client throws */
  static async open(load: HubLoad): Promise<HubSession> {
    const { location, settings, signal } = load
    const client = new HubClient(location, settings, load)
    try {
      const repository = await HubRepository.at(client, location, { settings, signal })
      return new HubSession(load, repository, { client, model: await modelAt(repository, location.folder) })
    } catch (error) {
      await client.stop()
      throw error
    }
  }

  private constructor(load: HubLoad, repository: HubRepository, found: { client: HubClient; model: HubModel }) {
    this.revision = repository.commit
    this.requested = load.location.revision
    this.packageUrl = hubPackageUrl(load.location, repository.commit)
    this.#load = load
    this.#repository = repository
    this.#model = found.model
    this.#clients = [found.client]
  }

  model(): ModelFiles | Promise<ModelFiles> {
    return this.#model.model()
  }

  bundles(names?: readonly NamePattern[]): Iterable<BundleGroup> | AsyncIterable<BundleGroup> {
    return this.#model.bundles(names)
  }

  async *claims(files: ModelFiles): AsyncGenerator<ClaimsCandidate> {
    yield* await this.#model.claims(files)
  }

  directories(): Iterable<ModelDirectory> | AsyncIterable<ModelDirectory> {
    return this.#model.directories?.() ?? []
  }

  async unverified(): Promise<PlainModel> {
    return (await this.#model.unverified?.()) ?? { files: await this.#model.model() }
  }

  /**
   * A file of the same repository: at the commit of the model, unless the URL has a revision of its own.
   *
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is in another repository
   */
  bundleAt(signature: string): BundleCandidate | undefined {
    if (!/^hf:\/\//i.test(signature)) return undefined
    const at = hubLocation(signature)
    const { location } = this.#load
    if (at.url !== location.url || at.folder === '') throw elsewhere(signature, location.url)
    if (!at.hasRevision || at.revision === location.revision) return this.#repository.bundle(at.folder)
    return {
      path: `${at.url}/${at.folder}`,
      read: async (request, receive) => (await this.#at(at)).bundle(at.folder).read(request, receive),
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()))
    await this.#repository.settled()
  }

  #at(at: HubLocation): Promise<HubRepository> {
    const { settings, signal } = this.#load
    const client = new HubClient(at, settings, this.#load)
    this.#clients.push(client)
    return HubRepository.at(client, at, { settings, signal })
  }
}

/** @param path of a folder or file; empty for the whole repository */
async function modelAt(repository: HubRepository, path: string): Promise<HubModel> {
  const root = new HubFolder(repository, '')
  if (path === '') return new FolderModel(repository, root)
  const entries = await repository.list(path, true)
  if (entries && entries.length > 0) return new FolderModel(repository, new HubFolder(repository, path, entries))
  // Hubs list folders only.
  if ((await root.entries()).has(path)) return new FileModel(root, path)
  const place = repository.placeOf(path)
  throw new ModelSealError(
    'MODEL_NOT_FOUND',
    `Cannot load the model ${shown(place)}: the repository has no such folder or file.`,
    { file: place, hint: 'Check the URL. Names are case-sensitive.' },
  )
}

function elsewhere(signature: string, repository: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "signature".', {
    expected: `a path, or a file of the repository ${shown(repository)}`,
    found: shown(signature),
    hint: 'Fetch the bundle, and give its path.',
  })
}
