import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { UnverifiedVerdict, Verdict } from '../../results.ts'
import { Standing } from '../standing/standing.ts'

/** A refused model that a program loads all the same. Only `tolerate` creates one. */
export class ToleratedModel {
  readonly verdict: UnverifiedVerdict
  /** @internal Nothing of the model is known, so nothing revokes it. */
  readonly standing: Standing

  /** @internal */
  constructor(verdict: Verdict, recorded: RecordedLoad | undefined) {
    this.verdict = verdict as UnverifiedVerdict
    this.standing = new Standing(verdict, [])
    if (recorded) this.standing.recordedAs(recorded)
  }

  /** @internal Like `keepWatching` of an opened model. */
  keepWatching(created: object): void {
    this.standing.heldBy(created)
  }

  /** The model is no longer in use, except by what a runtime created, which `keepRevocable` was told of. */
  close(): void {
    this.standing.close()
  }
}
