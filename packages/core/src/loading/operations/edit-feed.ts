import { writeFile } from 'node:fs/promises'
import { codeOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { flag, required, text as textCopy } from '../../kinds.ts'
import type { ListedEntry } from '../../policy/advisories/entries.ts'
import { checkedEntries, type FeedEntries } from '../../policy/advisories/feed-entries.ts'
import {
  MAX_SOURCE_BYTES,
  newFeedSource,
  parseFeedSource,
  withEntries,
  withoutEntries,
  type FeedEdit,
  type FeedSource,
} from '../../policy/advisories/feed-source.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { replaceUnlessChanged } from '../../source/replace-file.ts'
import { writeFailed } from '../../source/write-file.ts'

const FILE = { what: 'source of the advisory feed', failed: 'FILE_WRITE_FAILED', mode: 0o644 } as const

/** Others may edit the file at the same time, each of whom can be first. */
const MOST_TRIES = 20

const NEW: Shape<NewFeed> = { feed: required(textCopy), expires: textCopy }

/** A feed that denies nothing yet. */
export interface NewFeed {
  /** Name or URI of the feed. */
  feed: string
  /** How long services may rely on a signed version. Default: `7d`. */
  expires?: string | undefined
}

/**
 * Creates the source of an advisory feed, an editable file: YAML, or JSON if its name ends in `.json`.
 *
 * @returns its absolute path
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, also if the file exists; `FILE_WRITE_FAILED`
 * @example
 * ```ts
 * await createFeedSource('advisories.yaml', { feed: 'https://models.example/advisories' })
 * ```
 */
export async function createFeedSource(path: string, given: NewFeed): Promise<string> {
  const { feed, expires = '7d' } = snapshot(given, NEW, 'createFeedSource')
  const file = localPlace(path)
  const text = newFeedSource({ feed, expires }, file)
  try {
    await writeFile(file, text, { flag: 'wx', mode: FILE.mode })
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw writeFailed(file, FILE, cause)
    throw new ModelSealError('INVALID_ARGUMENT', `${shown(file)} already exists.`, {
      file,
      hint: 'Add entries to it with "modelseal advisory add", or name another file.',
      cause,
    })
  }
  return file
}

/**
 * Reads the source of an advisory feed.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `FILE_NOT_FOUND`, `FILE_SPECIAL`, `FILE_UNREADABLE`
 * @example
 * ```ts
 * const { feed, denied } = await readFeedSource('advisories.yaml')
 * ```
 */
export async function readFeedSource(path: string): Promise<FeedSource> {
  const file = localPlace(path)
  return parseFeedSource(await bytesOf(file), file)
}

/** What an edit of a source changed. */
export interface FeedEdited {
  added: readonly ListedEntry[]
  /** Those that were there already, and have another period, reason or severity now. */
  changed: readonly ListedEntry[]
  removed: readonly ListedEntry[]
}

export interface AddingOptions {
  /** Whether an entry that denies what another one denies already replaces it. Default: true. */
  replace?: boolean | undefined
}

const ADDING: Shape<AddingOptions> = { replace: flag }

/**
 * Adds entries to the source of a feed. Comments in it stay.
 *
 * @param entries keys and certificates may also be named by a file, whose fingerprint is added
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `INVALID_ARGUMENT`, `KEY_INVALID`, `CERTIFICATE_INVALID`, `FILE_*`
 * @example
 * ```ts
 * await addToFeed('advisories.yaml', { keys: [{ file: 'stolen.pub', reason: 'laptop stolen', severity: 'critical' }] })
 * ```
 */
export async function addToFeed(path: string, entries: FeedEntries, given?: AddingOptions): Promise<FeedEdited> {
  const { replace = true } = snapshot(given, ADDING, 'addToFeed')
  return edited(path, entries, (bytes, file, checked) => withEntries(bytes, file, checked, replace))
}

/**
 * Removes entries from the source of a feed, so that its next version accepts again what they deny. Comments stay.
 *
 * @param entries their periods, reasons and severities do not matter
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, also if one of them is not there; and as {@link addToFeed}
 * @example
 * ```ts
 * await removeFromFeed('advisories.yaml', { packages: ['pkg:huggingface/acme/vad'] })
 * ```
 */
export function removeFromFeed(path: string, entries: FeedEntries): Promise<FeedEdited> {
  return edited(path, entries, withoutEntries)
}

async function edited(path: string, entries: FeedEntries, edit: typeof withoutEntries): Promise<FeedEdited> {
  const file = localPlace(path)
  const checked = await checkedEntries(entries)
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const before = await bytesOf(file)
    const { text, ...changes }: FeedEdit = await edit(before, file, checked)
    if (await replaceUnlessChanged(file, Buffer.from(text), before, FILE)) return changes
  }
  throw new ModelSealError('FILE_CHANGED', `Cannot edit ${shown(file)}: other programs keep changing it.`, {
    file,
    hint: 'Try again when they have finished. Nothing was changed.',
  })
}

function bytesOf(path: string): Promise<Buffer> {
  return readSmallFile(path, { what: FILE.what, maxBytes: MAX_SOURCE_BYTES, tooLarge: 'ADVISORY_TOO_LARGE' })
}
