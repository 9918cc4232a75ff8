import * as s from '../../schema/define.ts'
import { firstFault } from './fault.ts'

/** Longer texts are cut when they are written: no path, name or identity that is in use is longer. */
export const LONGEST_TEXT = 1_024
/** How many files one `model` record lists. */
export const MAX_FILES = 500

const text = s.string().max(LONGEST_TEXT)
const count = s.int().min(0)
const sha256 = s.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 digest in lowercase hex')
const fileDigest = s.string().regex(/^[0-9a-f]{32,128}$/, 'expected a digest in lowercase hex')
const ed25519Key = s.string().regex(/^[0-9a-f]{64}$/, 'expected an Ed25519 key in lowercase hex')
const ed25519Signature = s.string().regex(/^[0-9a-f]{128}$/, 'expected an Ed25519 signature in lowercase hex')
const code = s.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'expected an error code')
/** The texts have one length, so that they sort by time. A time that does not exist, such as the 99th of a month, could not be counted. */
const time = s
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected a time in ISO 8601 with milliseconds')
  .refine((text) => !Number.isNaN(Date.parse(text)), 'expected a time that exists')
export const segmentIdSchema = s.string().regex(/^\d{13}-[0-9a-f]{16}$/, 'expected the ID of a segment')
export { sha256 as sha256Schema, time as timeSchema }
const yes = s.boolean().refine((value) => value, 'expected true')

/** A load that is recorded in this segment, or in one that the same writer filled before. */
const ofLoad = {
  load: count.describe('Number of the record of the load in its segment, from 0.'),
  segment: segmentIdSchema.optional().describe('The segment of that record, if it is another one.'),
}

const model = s.strictObject({
  path: text.optional(),
  url: text.optional(),
  revision: text.optional(),
  requested: text.optional(),
  packageUrl: text.optional(),
  format: text.optional(),
  name: text.optional(),
  entry: text.optional(),
})

const policy = s.strictObject({
  path: text,
  digest: sha256.optional(),
  includes: s.array(sha256).max(64).optional(),
})

const signer = s.strictObject({
  method: text,
  fingerprint: sha256,
  name: text,
  counted: s.boolean(),
  identity: text.optional(),
  issuer: text.optional(),
  subject: text.optional(),
  alternativeNames: s.array(text).max(64).optional(),
  serialNumber: text.optional(),
  rootFingerprint: sha256.optional(),
  logIndex: count.optional(),
  log: text.optional(),
  signedAt: text.optional(),
})

const claim = s.strictObject({
  type: text,
  kind: text.optional(),
  digest: sha256,
  signer: sha256,
  inputs: s
    .array(sha256)
    .max(500)
    .optional()
    .describe('Root digests of the models that signed provenance names as inputs.'),
})

const advisory = s.strictObject({
  source: text,
  feed: text.optional(),
  sequence: count.optional(),
  stale: yes.optional(),
})

/** One schema for each type of record. A reader of this version refuses every other type and field. */
const RECORDS = {
  segment: s.strictObject({
    type: s.literal('segment'),
    time,
    format: s.literal(1),
    segment: segmentIdSchema,
    continues: segmentIdSchema.optional().describe('The segment that the same writer filled before.'),
    service: text,
    host: text,
    pid: count,
    thread: count,
    node: text,
    modelseal: text,
    started: time.describe('When the process started.'),
    retention: count.optional().describe('Milliseconds for which its writer was told to keep it; 0 is for ever.'),
    collected: yes.optional().describe('Its writer was told to keep it until a collector has stored it.'),
    key: ed25519Key.describe(
      'Public key of the writer, the same in all its segments. The private one is only in its memory.',
    ),
    signature: ed25519Signature.describe(
      'By that key, over the IDs of the journal, of the segment before, and of this one.',
    ),
  }),
  model: s.strictObject({
    type: s.literal('model'),
    time,
    rootDigest: sha256,
    part: s.int().min(1),
    parts: s.int().min(1),
    name: text.optional(),
    algorithm: text.optional(),
    files: s.array(s.array(text).min(2).max(2)).max(MAX_FILES).withCheck(checkFiles),
    cut: yes.optional().describe('The model has more files than are recorded.'),
  }),
  load: s.strictObject({
    type: s.literal('load'),
    time,
    decision: s.oneOf(['accepted', 'refused', 'tolerated', 'skipped']),
    code: code.optional(),
    wouldRefuse: code.optional(),
    rule: text.optional(),
    mode: s.oneOf(['enforce', 'audit', 'skip']).optional(),
    by: text.optional(),
    model,
    rootDigest: sha256.optional(),
    policy: policy.optional(),
    signers: s.array(signer).max(64),
    claims: s.array(claim).max(256),
    advisories: s.array(advisory).max(64).optional(),
    hashed: s.oneOf(['files', 'receipt']).optional(),
    bytes: count,
    durations: s.strictObject({ policy: count, verification: count, hashing: count }).describe('Milliseconds.'),
    cut: yes.optional().describe('Its lists were longer than a line may be.'),
  }),
  end: s.strictObject({
    type: s.literal('end'),
    time,
    ...ofLoad,
    why: s.oneOf(['closed', 'released', 'collected', 'revoked', 'exit']),
  }),
  revoked: s.strictObject({ type: s.literal('revoked'), time, ...ofLoad, code: code.optional() }),
  policy: s.strictObject({
    type: s.literal('policy'),
    time,
    path: text,
    digest: sha256.optional(),
    includes: s.array(sha256).max(64).optional(),
    code: code.optional(),
  }),
  advisory: s.strictObject({
    type: s.literal('advisory'),
    time,
    source: text,
    feed: text.optional(),
    sequence: count.optional(),
    digest: sha256.optional(),
  }),
  alive: s.strictObject({ type: s.literal('alive'), time }),
  lost: s.strictObject({ type: s.literal('lost'), time, count: s.int().min(1), code: text }),
  close: s.strictObject({ type: s.literal('close'), time }),
}

type Records = { [Type in keyof typeof RECORDS]: s.Infer<(typeof RECORDS)[Type]> }
/** One record of a journal. */
export type JournalRecord = Records[keyof Records]
export type RecordType = keyof Records
export type RecordOf<Type extends RecordType> = Records[Type]

export const RECORD_TYPES = Object.keys(RECORDS) as readonly RecordType[]

/** A record from JSON that others may have written, or why it is none. */
export function asRecord(parsed: unknown): { record: JournalRecord } | { fault: string } {
  const type: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'type') : undefined
  if (typeof type !== 'string' || !Object.hasOwn(RECORDS, type)) return { fault: 'it is of an unknown type' }
  const checked = RECORDS[type as RecordType].check(parsed)
  return 'value' in checked ? { record: checked.value } : { fault: firstFault(checked.issues) }
}

function checkFiles(files: readonly (readonly string[])[], report: (problem: { message: string }) => void): void {
  for (const [, digest] of files) {
    if ('issues' in fileDigest.check(digest)) {
      report({ message: 'expected names with digests in lowercase hex' })
      return
    }
  }
}
