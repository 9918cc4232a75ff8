import { resolve } from 'node:path'
import { DEFAULT_SETTINGS } from '../../journal/enabled.ts'
import type { JournalSettings } from '../../journal/writing/settings/settings.ts'
import type { PolicySource } from '../reading/include.ts'
import { parseDuration } from '../schema/duration.ts'
import type { JournalText } from './schema.ts'

/** The journals of all files of a policy. Each is written. */
export function compileJournals(sources: readonly PolicySource[]): JournalSettings[] {
  return sources.flatMap(({ file: { journal }, directory, text: { path } }) =>
    journal ? [settingsOf(journal, { base: directory, place: path })] : [],
  )
}

/** @param base directory that relative paths start from */
export function settingsOf(written: JournalText, { base, place }: { base: string; place: string }): JournalSettings {
  const { directory, key, retention, checkpoints, ...others } = written
  const milliseconds = retention === undefined ? undefined : parseDuration(retention)?.milliseconds
  return {
    ...DEFAULT_SETTINGS,
    ...others,
    directory: resolve(base, directory),
    place,
    ...(key !== undefined && { key: key.startsWith('pkcs11:') ? key : resolve(base, key) }),
    ...(milliseconds !== undefined && { retention: milliseconds }),
    ...(checkpoints && { checkpoints: { file: resolve(base, checkpoints.file) } }),
  }
}
