import { ModelSealError, shown, withHint, withoutHint } from '../errors.ts'
import { makePrivateDirectory, type PrivateDirectory } from '../source/private-directory.ts'
import { removeAbandoned } from '../source/abandoned.ts'
import { roomIn, temporaryPlaces, type Placed, type TemporaryPlace } from '../source/temporary-places.ts'

/** A private directory, and what lies in it. */
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

/** Private directories, made when they are first needed: one, and another one where that has no room for more. */
export class PrivatePlaces {
  readonly #placed: Placed
  readonly #hint: string
  readonly #untried: TemporaryPlace[]
  #present: Promise<PrivatePlace> | undefined
  readonly #made = new Map<PrivatePlace, MadePlace>()
  readonly #unusable: { place: TemporaryPlace; why: ModelSealError | string }[] = []
  #exhausted = false

  /** @param hint what helps where no place will do: a sentence */
  constructor(placed: Placed, hint: string) {
    this.#placed = placed
    this.#hint = hint
    this.#untried = temporaryPlaces(placed)
  }

  /** True where something lies in one of them. */
  get used(): boolean {
    return this.#full.length > 0
  }

  /** True once no place was left that would do. */
  get exhausted(): boolean {
    return this.#exhausted
  }

  /** Which places were not used, why, and which were used instead: sentences. */
  get notes(): string[] {
    const used = this.#full.map(({ directory }) => shown(directory)).join(' and ')
    const notes = this.#unusable.map(({ place, why }) => {
      const reason = typeof why === 'string' ? why : withoutHint(why)
      return `Cannot use ${place.name} for ${this.#placed}: ${reason}`
    })
    return notes.length > 0 && used !== '' ? [...notes, `The ${this.#placed} are in ${used}.`] : notes
  }

  /**
   * The directory that is used at present; without one, a new one in the first place that will do.
   *
   * @param bytes that are to be put into it; a place that says that it has no room for them is tried last
   * @throws {@link ModelSealError} `COPY_FAILED`, `ISOLATION_REFUSED`, `FILE_UNREADABLE` where none will do
   */
  present(bytes = 0): Promise<PrivatePlace> {
    this.#present ??= this.#make(bytes).catch((error: unknown) => {
      this.#present = undefined
      throw error
    })
    return this.#present
  }

  /**
   * Has {@link present} go on to another place, where a failure says that nothing more can be written to this one. What
   * lies there stays.
   *
   * @returns false for a failure of another kind
   */
  leave(present: PrivatePlace, failure: unknown): boolean {
    if (!(failure instanceof ModelSealError) || failure.code !== 'COPY_FAILED') return false
    const made = this.#made.get(present)
    if (!made || made.left) return true
    // Of several files that found no room, the first has gone on.
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
      // What others have left there may be what takes the room.
      if (roomIn(path) < bytes) await removeAbandoned(path)
      const room = roomIn(path)
      if (room < bytes) {
        // What it says is a guess: zeros and clones take no room.
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

  /** Why the preferred place failed, which the user can choose. */
  #refusal(): ModelSealError {
    const [first, ...others] = this.#unusable
    const error = this.#unusable.map(({ why }) => why).find((why) => typeof why !== 'string')
    const names = [...new Set(others.map(({ place }) => place.name))].filter((name) => name !== first?.place.name)
    const hint = names.length === 0 ? this.#hint : `${this.#hint} No other place will do: ${names.join(', ')}.`
    return error ? withHint(error, hint) : new ModelSealError('COPY_FAILED', NO_PLACE, { hint })
  }
}

const NO_PLACE = 'Cannot find a place for private files.'
