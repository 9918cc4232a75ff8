import type { KeyObject } from 'node:crypto'

/** The key with which a host signs the checkpoints of its journal. */
export interface HostKey {
  readonly publicKey: KeyObject
  /**
   * @returns the signed note (C2SP) of a text
   * @throws {@link ModelSealError} `JOURNAL_FAILED` if a token cannot sign
   */
  note: (text: string, name: string) => string
}
