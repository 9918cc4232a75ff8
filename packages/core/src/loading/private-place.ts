import { makePrivateDirectory, removePrivateDirectory } from '../source/private-directory.ts'

/** A private directory, made when it is first needed, and what lies in it. */
export class PrivatePlace {
  readonly names = new Set<string>()
  #directory: Promise<string> | undefined

  directory(): Promise<string> {
    return (this.#directory ??= makePrivateDirectory())
  }

  async remove(): Promise<void> {
    const directory = await this.#directory?.catch(() => undefined)
    this.#directory = undefined
    if (directory !== undefined) await removePrivateDirectory(directory)
  }
}
