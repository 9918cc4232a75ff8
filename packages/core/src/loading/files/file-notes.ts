import type { Manifest } from '../../manifest/manifest.ts'
import { hashedWords } from '../../policy/explain.ts'
import type { Rule } from '../../policy/rule.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import { MAX_SHARD_BYTES } from './signed-parts.ts'
import type { VerifiedFiles } from './verified-files.ts'
import type { WarmLoad } from './warm-load.ts'

// Sentences for the step of a verdict about files.

/** Sentences that say how many files were hashed, or why none were. */
export function hashedNotes({ checked, names }: VerifiedFiles, warm: WarmLoad | undefined): string[] {
  const hashed = `${hashedWords({ checked: checked.files, signed: names.length })}.`
  return [...(warm?.warm ? [] : [hashed]), ...(warm?.note === undefined ? [] : [warm.note])]
}

/** How much of a remote model was fetched only because the rule checks all files. */
export function costNotes(
  { local }: ModelFiles,
  read: VerifiedFiles['checked'],
  all: VerifiedFiles['checked'],
): string[] {
  const files = all.files - read.files
  if (local || read.files === 0 || files === 0) return []
  return [`${all.bytes - read.bytes} bytes in ${files} of them were fetched only to be checked. ${ONLY_LOADED}`]
}

/** How ranges of a dataset are verified. */
export function rangeNotes({ serialization: { shardSize } }: Manifest): string[] {
  return shardSize === undefined || shardSize > MAX_SHARD_BYTES
    ? ['They are signed whole: before ranges of a file are handed out, all of it is hashed, once.']
    : [`Ranges are verified by signed shards of ${shardSize} bytes as they are read.`]
}

export const ONLY_LOADED = 'A rule with "require: { files: loaded }" fetches only what is loaded.'

/** A sentence about unsigned files, if the rule allows them. */
export function unsignedNotes({ require }: Rule, { local, list }: ModelFiles): string[] {
  // Without a listing, unsigned files are unknown.
  if (!local && !list) return []
  const where =
    require.files === 'ignore-unsigned'
      ? ''
      : require.unsigned === undefined
        ? undefined
        : ' where "require.unsigned" allows them'
  return where === undefined ? [] : [`The model may also contain unsigned files${where}; none of them is handed out.`]
}
