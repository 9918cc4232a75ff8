import { dirname, join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkpointFrom, type Cosigner, type GivenCheckpoint, type OpenedJournal } from '@modelseal/core/journal'
import { syncDirectory, writeWhole } from '../collecting/durable.ts'

/** The newest checkpoint that a witness cosigned, in a file. Only what the witness signed is ever written or believed. */
export class WitnessedFile {
  readonly path: string
  readonly #witness: Cosigner

  /** @param output default: in the directory of the journal */
  constructor(directory: string, witness: Cosigner, output: string | undefined) {
    this.path = output ?? join(directory, `witnessed-${witness.keyHash.toString('hex')}.checkpoint`)
    this.#witness = witness
  }

  /**
   * @returns undefined if there is none yet
   * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is one of another journal or witness, or was changed
   */
  async read(journal: OpenedJournal): Promise<GivenCheckpoint | undefined> {
    try {
      return await checkpointFrom(this.path, journal, this.#witness)
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
      throw error
    }
  }

  /** @throws {@link ModelSealError} `FILE_WRITE_FAILED` */
  async write(note: string): Promise<void> {
    try {
      await writeWhole(this.path, note)
      await syncDirectory(dirname(this.path))
    } catch (cause) {
      const { code = 'unknown error' } = cause as NodeJS.ErrnoException
      throw new ModelSealError('FILE_WRITE_FAILED', `Cannot write the cosigned checkpoint to ${shown(this.path)}.`, {
        file: this.path,
        found: code,
        hint: 'Check that the directory exists, that this user may write to it, and that the disk has room. The witness cosigns it again.',
        cause,
      })
    }
  }
}
