/** How a journal is written. Paths are absolute. */
export interface JournalSettings {
  readonly directory: string
  /** Where they are written: the path of a policy file, `enableJournal()`, or `MODELSEAL_JOURNAL`. Later ones from there replace them. */
  readonly place: string
  /** Refuse a load that cannot be recorded. */
  readonly required: boolean
  /** Whether a load waits until its record is on the disk, or records are synced every 200 ms. */
  readonly durability: 'interval' | 'each'
  /** Name of the service; by default, the environment or the nearest package.json of the program says it. */
  readonly service?: string | undefined
  /** Name of the host. */
  readonly host?: string | undefined
  /** File of the private key that signs checkpoints, or a PKCS#11 URI; by default, a key is created in the directory. */
  readonly key?: string | undefined
  readonly paths: 'full' | 'short'
  /** Milliseconds after which segments are deleted. */
  readonly retention?: number | undefined
  /** The newest checkpoint is also written to this file. */
  readonly checkpoints?: { readonly file: string } | undefined
  /** Delete only what a collector confirmed that it has stored. */
  readonly collected?: boolean | undefined
}
