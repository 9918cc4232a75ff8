import type { BundleGroup, ClaimsCandidate, ModelFiles, NamePattern } from '@modelseal/core/source'
import { HubFolder } from './hub-folder.ts'
import type { HubRepository } from './hub-repository.ts'
import type { HubModel } from './hub-session.ts'

/** A folder of a repository, or the whole repository, as a model. */
export class FolderModel implements HubModel {
  readonly #repository: HubRepository
  readonly #folder: HubFolder

  constructor(repository: HubRepository, folder: HubFolder) {
    this.#repository = repository
    this.#folder = folder
  }

  model(): ModelFiles {
    return this.#folder.files()
  }

  /** `model.sig`, or the names of the rule: in the requested folder, else in the repository. */
  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    const entries = await this.#folder.entries()
    yield { ...(await this.#folder.group(names)), nested: names ? undefined : this.#nested([...entries.keys()]) }
    // A bundle with another usual name in the folder itself comes before those of the repository.
    const hasOther = !names && [...entries.keys()].some((name) => /^[^/]+\.oms\.sig$/.test(name))
    if (this.#folder.name === '' || hasOther) return
    yield await new HubFolder(this.#repository, '', await this.#repository.list('', false)).group(names)
  }

  /** `claims.jsonl` in the folder. */
  claims(): Promise<ClaimsCandidate[]> {
    return this.#folder.claims()
  }

  /** The only folder inside with a bundle: repositories often have several models. */
  #nested(names: readonly string[]): string | undefined {
    const folders = names.flatMap((name) => /^([^/]+)\/model\.sig$/.exec(name)?.[1] ?? [])
    const [only] = folders
    return folders.length === 1 && only !== undefined ? `${this.#folder.place}/${only}` : undefined
  }
}
