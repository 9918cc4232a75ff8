/**
 * Journals of verdicts: having them written, and for packages that read them, verifying a journal and reading what was appended since.
 *
 * @example
 * ```ts
 * import { enableJournal, verifyJournal } from '@modelseal/core/journal'
 *
 * enableJournal({ directory: '/var/lib/recognizer/journal', required: true })
 * const { holds, records, problems } = await verifyJournal('/var/lib/recognizer/journal')
 * ```
 *
 * @packageDocumentation
 */
export { ADVISORY_CHANNEL, JOURNAL_CHANNEL, type AdvisoryChange, type JournalState } from '../events.ts'
export {
  COLLECTED_FILE,
  MAX_COLLECTED_FILE,
  readCollected,
  writeCollected,
  type Collected,
} from '../journal/format/collected.ts'
export { leafBytes, readCommit, writeCommit, type Commit, type SegmentHead } from '../journal/format/commit.ts'
export { MAX_JOURNAL_FILE, originOf, readJournalFile, type JournalFile } from '../journal/format/journal-file.ts'
export { checkLine, readLine } from '../journal/format/line.ts'
export {
  commitFile,
  commitIn,
  COMMITS,
  HEADS,
  JOURNAL_FILE,
  KEY_FILE,
  PACKED,
  largest,
  packFile,
  packIn,
  SEGMENTS,
} from '../journal/format/names.ts'
export { RECORD_TYPES, type JournalRecord, type RecordOf, type RecordType } from '../journal/format/record.ts'
export {
  checkpointFrom,
  readCheckpointFile,
  type GivenCheckpoint,
} from '../journal/reading/checkpoints/given-checkpoint.ts'
export {
  checkpointAt,
  newestCheckpoint,
  proofOfGrowth,
  type JournalCheckpoint,
} from '../journal/reading/checkpoints/growth.ts'
export { openJournal, type OpenedJournal } from '../journal/reading/open-journal.ts'
export { Problems, problemLine, type JournalProblem } from '../journal/reading/problems.ts'
export {
  CommitTree,
  signatureFault,
  signedCheckpoint,
  type CheckpointKey,
  type CommitFault,
  type CommitsRead,
} from '../journal/reading/commits/commit-tree.ts'
export { commitAt, newestIndex, readCommits, type CommitReading } from '../journal/reading/commits/read-commits.ts'
export {
  misplaced,
  readSegment,
  segmentIdsIn,
  segmentPath,
  type SegmentReading,
  type SegmentRecord,
} from '../journal/reading/segments/read-segment.ts'
export { HeadsBySegment, type SegmentHeads } from '../journal/reading/segments/segment-heads.ts'
export { writerOf } from '../journal/format/writer-key.ts'
export { foreignReference, isAboutLoad, UNSIGNED_SEGMENT } from '../journal/reading/segments/references.ts'
export { SegmentProgress, type SegmentState } from '../journal/reading/segments/segment-progress.ts'
export {
  readJournal,
  verifyJournal,
  type JournalEntry,
  type JournalReport,
  type VerifyJournalOptions,
} from '../journal/reading/verify-journal.ts'
export { throwIfAborted } from '../source/aborted.ts'
export { checkPrivate } from '../source/private/ownership.ts'
export { checkPrivateFile } from '../source/private/private-file.ts'
export { readLines } from '../journal/reading/segments/read-lines.ts'
export { makeCacheFolder, makeDirectories } from '../source/private/cache-directory.ts'
export { readVerifierKey, verifierKey } from '../journal/format/verifier-key.ts'
export { witnessKey } from '../journal/reading/checkpoints/witness-key.ts'
export { cosignaturesBy, cosignedAt, type Cosigner } from '../merkle/cosignature.ts'
export { MAX_CHECKPOINT_BYTES } from '../merkle/checkpoint.ts'
export { parseNote, writeNote, type NoteSignature, type SignedNote } from '../merkle/signed-note.ts'
export { enableJournal, type JournalOptions } from '../loading/recording/enable-journal.ts'
export { pruneJournal, type PrunedJournal, type PruneOptions } from '../loading/recording/prune-journal.ts'
