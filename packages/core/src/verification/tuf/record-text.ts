import { decodeBase64 } from '../../bundle/base64.ts'
import { Fields } from '../../bundle/fields.ts'
import { parseStrictJson } from '../../bundle/json.ts'

/** The files fetched from a TUF repository: one file in the cache, with everything needed to verify it again. */
export interface TufRecord {
  /** The time of fetching (ISO 8601), by the clock of this machine; it is not signed. */
  fetched: string
  /** Root metadata, in order of version. */
  roots: readonly Buffer[]
  timestamp: Buffer
  snapshot: Buffer
  targets: Buffer
  trustedRoot: Buffer
  signingConfig?: Buffer | undefined
}

const FORMAT = 'modelseal-tuf-record-1'
const MAX_VALUES = 2000

/**
 * Reads the text of a record.
 *
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `JSON_*`, `BASE64_INVALID`
 */
export function parseRecord(bytes: Buffer, path: string): TufRecord {
  const json = parseStrictJson(bytes, { what: 'cached Sigstore root', file: path, maxValues: MAX_VALUES })
  const fields = new Fields(json, { code: 'TRUST_ROOT_INVALID', file: path })
  if (fields.string('format') !== FORMAT) throw fields.fault('format', FORMAT)
  const decoded = (name: string) => decodeBase64(fields.string(name), name, path)
  const fetched = fields.string('fetched')
  if (Number.isNaN(Date.parse(fetched))) throw fields.fault('fetched', 'a time')
  return {
    fetched,
    roots: fields.array('roots').map((root) => {
      if (typeof root === 'string') return decodeBase64(root, 'roots', path)
      throw fields.fault('roots', 'an array of texts')
    }),
    timestamp: decoded('timestamp'),
    snapshot: decoded('snapshot'),
    targets: decoded('targets'),
    trustedRoot: decoded('trustedRoot'),
    signingConfig: fields.has('signingConfig') ? decoded('signingConfig') : undefined,
  }
}

/** The text of a record, as it is kept in the cache. */
export function recordText(record: TufRecord): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64')
  const { fetched, roots, timestamp, snapshot, targets, trustedRoot, signingConfig } = record
  const json = {
    format: FORMAT,
    fetched,
    roots: roots.map(base64),
    timestamp: base64(timestamp),
    snapshot: base64(snapshot),
    targets: base64(targets),
    trustedRoot: base64(trustedRoot),
    ...(signingConfig ? { signingConfig: base64(signingConfig) } : {}),
  }
  return `${JSON.stringify(json)}\n`
}
