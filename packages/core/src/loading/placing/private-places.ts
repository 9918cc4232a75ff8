import { isAbsolute } from 'node:path'
import { ModelSealError, shown, withHint, withoutHint } from '../../errors.ts'
import { makePrivateDirectory, type PrivateDirectory } from '../../source/private/private-directory.ts'
import { removeAbandoned } from '../../source/private/abandoned.ts'
import { limitRemedy, remedyAnywhere } from '../../source/private/copy-failure.ts'
import { roomIn, temporaryPlaces, type Placed, type TemporaryPlace } from '../../source/private/temporary-places.ts'

/** A private directory and its contents. */
export interface PrivatePlace {
  /** Absolute. */
  readonly directory: string
  readonly names: Set<string>
}

interface MadePlace {
  place: TemporaryPlace
  made: PrivateDirectory
  left?: boolean
}

/**
 * The hint if no place is suitable, as a sentence.
 *
 * @param remedy the beginning, without a full stop, if another directory for temporary files would not help
 */
type PlaceHint = (remedy?: string) => string

/** Private directories that are made when they are needed: a first one, and another one whenever the last one is full. */
export class PrivatePlaces {
  readonly #placed: Placed
  readonly #hint: PlaceHint
  readonly #untried: TemporaryPlace[]
  #present: Promise<PrivatePlace> | undefined
  readonly #made = new Map<PrivatePlace, MadePlace>()
  readonly #unusable: { place: TemporaryPlace; why: ModelSealError | string }[] = []
  #exhausted = false

  constructor(placed: Placed, hint: PlaceHint) {
    this.#placed = placed
    this.#hint = hint
    this.#untried = temporaryPlaces(placed)
  }

  /** True if one of them contains a file. */
  get used(): boolean {
    return this.#full.length > 0
  }

  /** True once no suitable place was left. */
  get exhausted(): boolean {
    return this.#exhausted
  }

  /** Sentences that say which places were not used, why, and which were used instead. */
  get notes(): string[] {
    const used = this.#full.map(({ directory }) => shown(directory)).join(' and ')
    const notes = this.#unusable.map(({ place, why }) => {
      const reason = typeof why === 'string' ? why : withoutHint(why)
      return `Cannot use ${place.name} for ${this.#placed}: ${reason}`
    })
    return notes.length > 0 && used !== '' ? [...notes, `The ${this.#placed} are in ${used}.`] : notes
  }

  /**
   * The directory in current use. If there is none, a new one is made in the first suitable place.
   *
   * @param bytes size of the files to be put into it; a place that reports less free space is tried last
   * @throws {@link ModelSealError} `COPY_FAILED`, `ISOLATION_REFUSED`, `FILE_UNREADABLE` if no place is suitable
   */
  present(bytes = 0): Promise<PrivatePlace> {
    this.#present ??= this.#make(bytes).catch((error: unknown) => {
      this.#present = undefined
      throw error
    })
    return this.#present
  }

  /**
   * Makes {@link present} continue in another place, if a failure says that nothing more can be written to this one. The files
   * there remain.
   *
   * @returns false for a failure of another kind
   */
  leave(present: PrivatePlace, failure: unknown): boolean {
    if (!(failure instanceof ModelSealError) || failure.code !== 'COPY_FAILED') return false
    const made = this.#made.get(present)
    if (!made || made.left) return true
    // Several files may fail at once; the first one has left the place.
    made.left = true
    this.#unusable.push({ place: made.place, why: failure })
    this.#present = undefined
    return true
  }

  async remove(): Promise<void> {
    await this.#present?.catch(() => {})
    this.#present = undefined
    const made = [...this.#made.values()]
    this.#made.clear()
    const removals = await Promise.allSettled(made.map(({ made }) => made.remove()))
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason
  }

  get #full(): PrivatePlace[] {
    return [...this.#made.keys()].filter(({ names }) => names.size > 0)
  }

  async #make(bytes: number): Promise<PrivatePlace> {
    let crowded: { place: TemporaryPlace; path: string } | undefined
    for (let place = this.#untried.shift(); place; place = this.#untried.shift()) {
      const path = await place.path()
      if (path === undefined) continue
      // Directories that killed processes left there may take the space.
      if (roomIn(path) < bytes) await removeAbandoned(path)
      const room = roomIn(path)
      if (room < bytes) {
        // The reported space is a guess, because zeros and clones take none.
        crowded ??= { place, path }
        this.#unusable.push({ place, why: `${shown(path)} has room for ${room} bytes, and ${bytes} are needed.` })
      } else {
        const made = await this.#makeIn(place, path)
        if (made) return made
      }
    }
    const made = crowded && (await this.#makeIn(crowded.place, crowded.path))
    if (made) return made
    this.#exhausted = true
    throw this.#refusal()
  }

  async #makeIn(place: TemporaryPlace, path: string): Promise<PrivatePlace | undefined> {
    try {
      const made = await makePrivateDirectory(path)
      const present = { directory: made.files, names: new Set<string>() }
      this.#made.set(present, { place, made })
      return present
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      this.#unusable.push({ place, why: error })
      return undefined
    }
  }

  /** Says why the preferred place failed, since the user can choose that one. */
  #refusal(): ModelSealError {
    const [first, ...others] = this.#unusable
    const error = this.#unusable.map(({ why }) => why).find((why) => typeof why !== 'string')
    const names = [...new Set(others.map(({ place }) => place.name))].filter((name) => name !== first?.place.name)
    const helps = this.#hint(error && (remedyAnywhere(error.cause, absolute(error.file)) ?? limitRemedy(error.cause)))
    const hint = names.length === 0 ? helps : `${helps} None of the other places is suitable: ${names.join(', ')}.`
    return error ? withHint(error, hint) : new ModelSealError('COPY_FAILED', NO_PLACE, { hint })
  }
}

const NO_PLACE = 'Cannot find a place for private files.'

/** The place of a private directory, and not the name of a file in the model. */
function absolute(file: string | undefined): string | undefined {
  return file !== undefined && isAbsolute(file) ? file : undefined
}
