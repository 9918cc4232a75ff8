import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { FileIdentity, SourceFile } from '../../source/local/source-file.ts'

/** The states in which a load saw files on this machine. A file in the same state still has the same content. */
export class SeenFiles {
  /** Undefined for a file whose content no state identifies. */
  readonly #states = new Map<string, FileIdentity | undefined>()

  constructor(files: readonly SourceFile[] = []) {
    for (const file of files) this.add(file)
  }

  /** A file that was seen in two states may have been handed out in both of them. */
  add(file: SourceFile): void {
    const { name, identity, young = false } = withoutPrototype(file)
    const isNew = !this.#states.has(name)
    const isKnown = !young && (isNew || isSame(this.#states.get(name), identity))
    this.#states.set(name, isKnown ? identity : undefined)
  }

  /** @throws {@link ModelSealError} `FILE_CHANGED` if the file may have another content than when it was seen */
  check({ name, identity }: Pick<SourceFile, 'name' | 'identity'>): void {
    if (isSame(this.#states.get(name), identity)) return
    throw new ModelSealError(
      'FILE_CHANGED',
      `Cannot hash the file ${shown(name)} again: it may have changed since the model was loaded.`,
      { file: name },
    )
  }

  /** @throws {@link ModelSealError} `FILE_CHANGED` if they may not be the very files that were seen */
  checkAll(files: readonly SourceFile[]): void {
    for (const file of files) this.check(file)
    if (files.length === this.#states.size) return
    throw new ModelSealError(
      'FILE_CHANGED',
      'Cannot hash the model again: files were removed from it since it was loaded.',
    )
  }
}

function isSame(seen: FileIdentity | undefined, now: FileIdentity): boolean {
  return seen !== undefined && FIELDS.every((field) => seen[field] === now[field])
}

const FIELDS = ['dev', 'ino', 'size', 'mtimeNs', 'ctimeNs'] satisfies (keyof FileIdentity)[]
