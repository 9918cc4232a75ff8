import { subscribe } from 'node:diagnostics_channel'
import {
  ADVISORY_CHANNEL,
  POLICY_CHANNEL,
  type AdvisoryChange,
  type AdvisoryFailure,
  type PolicyReload,
} from '../../events.ts'
import type { JournalRecord } from '../format/record.ts'
import type { ToRecord } from '../writing/records/waiting-records.ts'
import type { JournalWriter } from '../writing/writer.ts'
import { allWriters } from '../writing/writers.ts'
import { policyRecords } from './policy-versions.ts'
import { safePath } from './safe-text.ts'

let isFollowing = false

/** From now on, records other versions of policies and feeds in all journals that this thread writes. */
export function followChanges(): void {
  if (isFollowing) return
  isFollowing = true
  subscribe(POLICY_CHANNEL, (message) => {
    const { path, digest, includes, error } = message as PolicyReload
    const time = now()
    toAll((writer, at) => {
      if (digest !== undefined) return policyRecords(writer, { path, digest, includes, time }, at)
      const code = error && { code: error.code }
      return [{ type: 'policy', time, path: safePath(path, writer.settings.paths), ...code }]
    })
  })
  subscribe(ADVISORY_CHANNEL, (message) => {
    const change = message as AdvisoryChange | AdvisoryFailure
    // The version in use stays the same.
    if (change.error) return
    const { source, feed, sequence, digest } = change
    const time = now()
    toAll(({ settings: { paths } }) => [
      { type: 'advisory', time, source: safePath(source, paths), feed, sequence, digest },
    ])
  })
}

function toAll(make: (writer: JournalWriter, at: ToRecord['at']) => JournalRecord[]): void {
  for (const writer of allWriters()) {
    const at: ToRecord['at'] = {}
    writer.add({ make: () => make(writer, at), isSynced: false, isRequired: false, ended: () => {}, at })
  }
}

function now(): string {
  return new Date().toISOString()
}
