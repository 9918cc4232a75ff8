import { absolutePath } from '../../absolute-path.ts'
import { ModelSealError } from '../../errors.ts'
import { enable } from '../../journal/enabled.ts'
import { choice, flag, givenPath, text, type Copy } from '../../kinds.ts'
import { settingsOf } from '../../policy/journals/compile-journals.ts'
import { journalSchema } from '../../policy/journals/schema.ts'
import { plainCopy, snapshot, type Shape } from '../../snapshot.ts'

/** How a journal is written. Paths start from the working directory. */
export interface JournalOptions {
  /** Directory of the journal, private to the user of the process. It is created if it does not exist. Default: `journal`. */
  directory?: string | undefined
  /** Refuse a load that cannot be recorded (`JOURNAL_FAILED`). Default: false. */
  required?: boolean | undefined
  /** Sync records every 200 ms (`interval`, the default), or each one before the load goes on. */
  durability?: 'interval' | 'each' | undefined
  /** Name of the service in the records. Default: `MODELSEAL_SERVICE`, or the name of the package that the program belongs to. */
  service?: string | undefined
  /** Name of the host in the records. Default: the name of the host. */
  host?: string | undefined
  /**
   * Private key that signs the checkpoints: the path of a file (Ed25519, PEM), or a PKCS#11 URI of a key on P-256. Default: one that is
   * created in the directory.
   */
  key?: string | undefined
  /** Whether records contain whole paths (`full`, the default). */
  paths?: 'full' | 'short' | undefined
  /** How long records are kept, such as `90d`. Default: for ever. */
  retention?: string | undefined
  /** A file to which the newest checkpoint is written, on another machine if possible. */
  checkpoints?: { file: string } | undefined
  /** Delete only what a collector has confirmed to `modelseal journal push` that it has stored. Default: false. */
  collected?: boolean | undefined
}

/** A path, which is made absolute, or the PKCS#11 URI of a key. */
export const pathOrToken: Copy = (value, option) =>
  typeof value === 'string' && value.startsWith('pkcs11:') ? value : givenPath(value, option)

const SHAPE: Shape<JournalOptions> = {
  directory: givenPath,
  required: flag,
  durability: choice('interval', 'each'),
  service: text,
  host: text,
  key: pathOrToken,
  paths: choice('full', 'short'),
  retention: text,
  checkpoints: plainCopy,
  collected: flag,
}

/**
 * Records every further load of this thread in a journal: what was loaded or refused, who signed it, by which policy, and when it was
 * no longer in use. Call it in each thread; a policy (`journal:`) and `MODELSEAL_JOURNAL` hold for all threads.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * enableJournal({ directory: '/var/lib/recognizer/journal', required: true })
 * ```
 */
export function enableJournal(given?: JournalOptions): void {
  const { directory = 'journal', ...others } = snapshot(given, SHAPE, 'enableJournal')
  const checked = journalSchema.check({ ...others, directory })
  if ('value' in checked) {
    enable(settingsOf(checked.value, { base: absolutePath('.'), place: 'enableJournal()' }))
    return
  }
  const [{ path, message }] = checked.issues
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${path.map(String).join('.')}": ${message}.`)
}
