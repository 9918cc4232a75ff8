/**
 * Journals of verdicts: their format, for programs that read them.
 *
 * @packageDocumentation
 */
export { leafBytes, MAX_COMMIT, readCommit, type Commit, type SegmentHead } from '../journal/format/commit.ts'
export { MAX_JOURNAL_FILE, originOf, readJournalFile, type JournalFile } from '../journal/format/journal-file.ts'
export { checkLine, MAX_LINE, readLine } from '../journal/format/line.ts'
export {
  commitFile,
  commitIn,
  COMMITS,
  HEADS,
  JOURNAL_FILE,
  KEY_FILE,
  PACKED,
  packFile,
  packIn,
  segmentFile,
  segmentIn,
  SEGMENTS,
} from '../journal/format/names.ts'
export { asRecord, type JournalRecord, type RecordOf, type RecordType } from '../journal/format/record.ts'
