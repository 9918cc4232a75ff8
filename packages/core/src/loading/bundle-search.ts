import { parseStatement } from '../bundle/statement.ts'
import { ModelSealError } from '../errors.ts'
import { findBundles, type FoundModel } from './find-bundles.ts'

/** Looks for a model's bundles once, when they are first needed. */
export class BundleSearch {
  readonly #path: string
  readonly #signature: string | undefined
  #found: Promise<FoundModel> | undefined

  constructor(path: string, signature: string | undefined) {
    this.#path = path
    this.#signature = signature
  }

  /** @throws {@link ModelSealError} as `findBundles` */
  find(): Promise<FoundModel> {
    return (this.#found ??= findBundles(this.#path, this.#signature))
  }

  /** The model's name in every bundle: claimed, not proven. None where one bundle cannot be read. */
  async claimedNames(): Promise<string[]> {
    try {
      const { bundles } = await this.find()
      return bundles.map((found) => {
        if ('error' in found) throw found.error
        return parseStatement(found.bundle.envelope.payload).manifest.modelName
      })
    } catch (error) {
      if (error instanceof ModelSealError) return []
      throw error
    }
  }
}
