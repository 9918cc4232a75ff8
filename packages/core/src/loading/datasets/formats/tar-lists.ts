import { TAR_LIMITS, type TarMembers } from './tar-members.ts'

/** What a member takes apart from its name, counted in characters. */
const MEMBER_WEIGHT = 64
/** As much as one archive may have. */
const MAX_WEIGHT = TAR_LIMITS.names + TAR_LIMITS.members * MEMBER_WEIGHT

interface Kept {
  readonly list: Promise<TarMembers>
  /** 0 until it was read. */
  weight: number
}

/** Keeps what archives contain, so that each is listed once. The lists that were not used for the longest time make room for others. */
export class TarLists {
  readonly #maxWeight: number
  readonly #kept = new Map<string, Kept>()
  #weight = 0

  constructor(maxWeight = MAX_WEIGHT) {
    this.#maxWeight = maxWeight
  }

  /** @param read lists the members. A failure is not remembered */
  get(name: string, read: () => Promise<TarMembers>): Promise<TarMembers> {
    const kept = this.#kept.get(name) ?? this.#begun(name, read())
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    return kept.list
  }

  /** Forgets everything. */
  clear(): void {
    this.#kept.clear()
    this.#weight = 0
  }

  #begun(name: string, list: Promise<TarMembers>): Kept {
    const kept = { list, weight: 0 }
    list.then(
      (members) => this.#count(name, kept, members),
      () => this.#kept.get(name) === kept && this.#kept.delete(name),
    )
    return kept
  }

  #count(name: string, kept: Kept, members: TarMembers): void {
    if (this.#kept.get(name) !== kept) return
    for (const member of members.keys()) kept.weight += member.length + MEMBER_WEIGHT
    this.#weight += kept.weight
    for (const [oldest, { weight }] of this.#kept) {
      if (this.#weight <= this.#maxWeight) return
      if (weight === 0) continue
      this.#kept.delete(oldest)
      this.#weight -= weight
    }
  }
}
