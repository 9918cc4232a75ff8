import type {
  BundleGroup,
  ClaimsCandidate,
  ModelDirectory,
  ModelFiles,
  NamePattern,
  PlainModel,
} from '@modelseal/core/source'
import { CLAIMS_NAME } from '@modelseal/core/source'
import { BUNDLE, type HubFolder } from './hub-folder.ts'
import type { HubModel } from './hub-session.ts'

/** A folder above the file; its name is empty for the repository. */
interface Above {
  readonly folder: string
  readonly directory: ModelDirectory
}

/** A single file of a repository as a model. It may be signed alone, or with one of the folders above it. */
export class FileModel implements HubModel {
  readonly #root: HubFolder
  readonly #path: string

  /** @param path of a file of the repository */
  constructor(root: HubFolder, path: string) {
    this.#root = root
    this.#path = path
  }

  model(): ModelFiles {
    return {
      path: `${this.#root.place}/${this.#path}`,
      name: this.#path.slice(this.#path.lastIndexOf('/') + 1),
      isFile: true,
      read: (request, receive) => this.#root.read({ ...request, name: this.#path }, receive),
    }
  }

  /** `FILE.sig`, else the nearest `model.sig` above that covers the file; or the names of the rule in the folders above. */
  async *bundles(names?: readonly NamePattern[]): AsyncGenerator<BundleGroup> {
    const entries = await this.#root.entries()
    const own = `${this.#path}.sig`
    if (!names)
      yield {
        candidates: await this.#root.candidates(entries.has(own) ? [own] : []),
        looked: [own, `${prefixOf(this.#folders()[0] ?? '')}${BUNDLE}`].map((name) => `${this.#root.place}/${name}`),
      }
    for (const { folder, directory } of this.#above()) {
      const prefix = prefixOf(folder)
      const isBundle = (name: string) =>
        names ? names.some((pattern) => pattern.matches(name.slice(prefix.length))) : name === `${prefix}${BUNDLE}`
      const found = [...entries.keys()].filter((name) => name.startsWith(prefix) && isBundle(name))
      yield { candidates: await this.#root.candidates(found), directory, unordered: names !== undefined, looked: [] }
    }
  }

  /** `FILE.claims.jsonl` for the file, and `claims.jsonl` in a folder that was signed. */
  async claims({ path }: ModelFiles): Promise<ClaimsCandidate[]> {
    if (path === this.model().path) return this.#root.claims(`${this.#path}.${CLAIMS_NAME}`)
    for (const folder of this.#folders()) {
      const files = await this.#folderAt(folder)
      if (files.place === path) return files.claims()
    }
    return []
  }

  *directories(): Generator<ModelDirectory> {
    for (const { directory } of this.#above()) yield directory
  }

  /** As a program without modelseal would see it: with what is beside the file. */
  async unverified(): Promise<PlainModel> {
    const [nearest = ''] = this.#folders()
    const { name } = this.model()
    return { files: (await this.#folderAt(nearest)).files(), entry: name, names: [name] }
  }

  *#above(): Generator<Above> {
    for (const folder of this.#folders()) {
      const files = async () => (await this.#folderAt(folder)).files()
      yield { folder, directory: { entry: this.#path.slice(prefixOf(folder).length), files } }
    }
  }

  /** The folders above, nearest first; the last is the repository. */
  #folders(): string[] {
    const parts = this.#path.split('/').slice(0, -1)
    return [...parts.map((_, index) => parts.slice(0, parts.length - index).join('/')), '']
  }

  async #folderAt(folder: string): Promise<HubFolder> {
    return folder === '' ? this.#root : this.#root.inside(folder)
  }
}

function prefixOf(folder: string): string {
  return folder === '' ? '' : `${folder}/`
}
