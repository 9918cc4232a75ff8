import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { listFiles } from '../../manifest/build.ts'
import { ignoredNames, ignoring } from '../../manifest/ignores.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { isHubRecord } from '../../manifest/plain-names.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { CLAIMS_NAME, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import { findFiles } from '../../source/local/find-files.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import { READ_CLAIMS, readSmallFile } from '../../source/read-small-file.ts'
import { areAttestations } from '../attestations-inside.ts'
import { doubtfulFiles, type SigningWarning } from '../doubtful-files.ts'
import { mayBeBundle, type ModelToSign } from './model-to-sign.ts'

/** A model on this machine. */
export class LocalModel implements ModelToSign {
  readonly source: LocalSource
  readonly #signal: AbortSignal | undefined

  constructor(source: LocalSource, signal?: AbortSignal) {
    this.source = source
    this.#signal = signal
  }

  get path(): string {
    return this.source.path
  }

  get name(): string {
    return this.source.name
  }

  get isFile(): boolean {
    return this.source.kind === 'file'
  }

  ignoredNames(paths: readonly string[]): string[] {
    return ignoredNames(this.source, paths)
  }

  async bundles(): Promise<string[]> {
    if (this.isFile) return []
    const names = await readdir(this.path).catch((): string[] => [])
    const bundles: string[] = []
    for (const name of names.filter(mayBeBundle)) if (await this.isBundle(name)) bundles.push(name)
    return bundles
  }

  async hasAttestations(): Promise<boolean> {
    if (this.isFile) return false
    try {
      return await areAttestations(
        await readSmallFile(join(this.path, CLAIMS_NAME), { ...READ_CLAIMS, maxBytes: MAX_CLAIMS_BYTES }),
      )
    } catch (error) {
      // Whatever cannot be read is content, which hashing reports.
      if (error instanceof ModelSealError) return false
      throw error
    }
  }

  isBundle(name: string): Promise<boolean> {
    return isBundle(join(this.path, name))
  }

  async smallFile(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    try {
      return await readSmallFile(join(this.path, name), { what: 'file', maxBytes })
    } catch (error) {
      // Whatever else cannot be read is content, which hashing reports.
      if (error instanceof ModelSealError && error.code !== 'FILE_TOO_LARGE') return undefined
      throw error
    }
  }

  async fileNames({ ignorePaths = [], allowSymlinks }: Serialization): Promise<string[]> {
    const files = await findFiles(this.source, { ignored: ignoring(ignorePaths), followLinks: allowSymlinks })
    return files.map(({ name }) => name)
  }

  async largestSize(serialization: Serialization): Promise<number> {
    const files = await listFiles(this.source, serialization, { leftOut: isHubRecord, signal: this.#signal })
    return files.reduce((largest, { identity }) => Math.max(largest, identity.size), 0)
  }

  warnings(manifest: Manifest): Promise<SigningWarning[]> {
    return doubtfulFiles(this.source, manifest, this.#signal)
  }
}
