import type { RecordOf } from '../format/record.ts'
import type { ToRecord } from '../writing/records/waiting-records.ts'
import type { JournalWriter } from '../writing/writer.ts'
import { safePath } from './safe-text.ts'

/** A policy file as it was read: its path, and the digests of it and of the files that it includes. */
interface PolicyVersion {
  path: string
  digest: string
  includes?: readonly string[] | undefined
  /** When it was used. */
  time: string
}

/** As many as the format allows. */
const MAX_INCLUDES = 64
/** Paths of policies that are remembered for a journal. With more, versions are recorded again. */
const MAX_PATHS = 1_000

/** The version of each policy that a writer recorded last, and where. */
const recorded = new WeakMap<JournalWriter, Map<string, { version: string; at: ToRecord['at'] }>>()

/**
 * The record of a policy that is about to be used, unless the writer recorded this version last.
 *
 * @param at place of the entry with the record. As long as it has none, the record is not written
 */
export function policyRecords(
  writer: JournalWriter,
  { path, digest, includes = [], time }: PolicyVersion,
  at: ToRecord['at'],
): RecordOf<'policy'>[] {
  const version = [digest, ...includes].join()
  const versions = recorded.get(writer) ?? new Map<string, { version: string; at: ToRecord['at'] }>()
  const last = versions.get(path)
  if (last?.version === version && last.at !== at && last.at.place !== undefined) return []
  if (versions.size >= MAX_PATHS) versions.clear()
  recorded.set(writer, versions.set(path, { version, at }))
  return [
    {
      type: 'policy',
      time,
      path: safePath(path, writer.settings.paths),
      digest,
      ...(includes.length > 0 && { includes: includes.slice(0, MAX_INCLUDES) }),
    },
  ]
}
