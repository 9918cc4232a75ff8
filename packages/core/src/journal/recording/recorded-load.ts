import type { JournalRecord, RecordOf } from '../format/record.ts'
import type { ToRecord } from '../writing/records/waiting-records.ts'
import type { JournalWriter } from '../writing/writer.ts'
import { atExit } from '../writing/writers.ts'
import { showAlive, stopShowing } from './alive.ts'

/** Where a load was recorded. */
export interface RecordedIn {
  writer: JournalWriter
  at: ToRecord['at']
}

/** The loads whose models are in use. They keep no model alive. */
const live = new Set<RecordedLoad>()

/** Only something that was loaded with a journal is ever registered. */
const collected = new FinalizationRegistry<RecordedLoad>((load) => load.ended('collected'))

/** A load that journals have recorded, and whose end they will. */
export class RecordedLoad {
  readonly #places: readonly RecordedIn[]
  #isEnded = false

  constructor(places: readonly RecordedIn[]) {
    this.#places = places
    if (live.size === 0) {
      atExit(endings)
      showAlive(writersInUse)
    }
    live.add(this)
  }

  /** Its model is in use for as long as this object exists, unless it ends before. */
  heldBy(holder: object): void {
    collected.register(holder, this, this)
  }

  /** The model is no longer in use. */
  ended(why: RecordedEnd): void {
    if (this.#isEnded) return
    this.#isEnded = true
    live.delete(this)
    if (live.size === 0) stopShowing()
    collected.unregister(this)
    for (const { writer, at } of this.#places) writer.add(following(at, (of) => endOf(of, why)))
  }

  get writers(): JournalWriter[] {
    return this.#places.map(({ writer }) => writer)
  }

  /** @param cause code of the error that says why */
  revoked(cause: unknown): void {
    const code = typeof cause === 'string' && CODE.test(cause) ? cause : undefined
    for (const { writer, at } of this.#places)
      writer.add(following(at, (of) => ({ type: 'revoked', time: now(), ...of, ...(code !== undefined && { code }) })))
  }

  /** What a writer has to record when the thread exits. */
  endingsFor(writer: JournalWriter): ToRecord[] {
    return this.#places.flatMap((place) =>
      place.writer === writer ? [following(place.at, (of) => endOf(of, 'exit'))] : [],
    )
  }
}

/** Those that recorded a model that is in use. */
function writersInUse(): Set<JournalWriter> {
  return new Set([...live].flatMap((load) => load.writers))
}

/** An error of other code may have any. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/

type RecordedEnd = RecordOf<'end'>['why']

function endings(writer: JournalWriter): ToRecord[] {
  return [...live].flatMap((load) => load.endingsFor(writer))
}

type OfLoad = Pick<RecordOf<'end'>, 'load' | 'segment'>

/** A record that refers to an earlier one. If that one was lost, there is nothing to refer to. */
function following(at: ToRecord['at'], make: (of: OfLoad) => JournalRecord): ToRecord {
  return {
    make: ({ id }) => {
      const { place } = at
      if (!place) return []
      return [make({ load: place.index, ...(place.segment !== id && { segment: place.segment }) })]
    },
    isSynced: false,
    isRequired: false,
    ended: () => {},
    at: {},
  }
}

function endOf(of: OfLoad, why: RecordedEnd): JournalRecord {
  return { type: 'end', time: now(), ...of, why }
}

function now(): string {
  return new Date().toISOString()
}
