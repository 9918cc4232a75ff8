import { randomBytes } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ModelSealError } from '../../../errors.ts'
import { errno, isGone } from '../../../source/file-errors.ts'
import { realPlace } from '../../../source/local/real-path.ts'
import { makeDirectories } from '../../../source/private/cache-directory.ts'
import { checkPrivate } from '../../../source/private/ownership.ts'
import {
  describeJournal,
  MAX_JOURNAL_FILE,
  originOf,
  readJournalFile,
  writeJournalFile,
  type JournalFile,
} from '../../format/journal-file.ts'
import { commitIn, COMMITS, HEADS, JOURNAL_FILE, packIn, SEGMENTS } from '../../format/names.ts'
import { readVerifierKey, verifierKey } from '../../format/verifier-key.ts'
import type { OpenedJournal } from '../../reading/open-journal.ts'
import { failedJournal, invalidJournal } from '../failures.ts'
import { createWhole, fileNames, readIfAny } from './files.ts'
import { runNow, runSoon } from './file-work.ts'
import { hostKey } from '../keys/find-host-key.ts'
import type { HostKey } from '../keys/host-key.ts'

/** A journal that this process may write. */
export interface WritableJournal {
  /** Without links. */
  path: string
  file: JournalFile
  key: HostKey
}

/** For reading, with the key that it had when it was opened. */
export function openedOf({ path, file }: Pick<WritableJournal, 'path' | 'file'>): OpenedJournal {
  const origin = originOf(file)
  const own = readVerifierKey(file.key)
  if (own?.name !== origin) throw invalidJournal(path, 'its key is not a verifier key with its name')
  return { directory: path, file, origin, key: own.key, pinned: false }
}

/**
 * Opens a journal, and creates it if it does not exist.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID`, `JOURNAL_FAILED`
 */
export async function openDirectory(given: {
  directory: string
  host: string | undefined
  key: string | undefined
}): Promise<WritableJournal> {
  const { directory } = given
  try {
    makeDirectories(directory)
    const { path } = realPlace(directory)
    checkOwn(path, directory)
    for (const folder of [SEGMENTS, COMMITS, HEADS]) makeFolder(join(path, folder))
    return await openFile(path, given)
  } catch (error) {
    throw failedJournal(directory, error)
  }
}

/** Whether somebody deleted or moved an open journal, or put another one in its place. */
export function isDeleted({ path, file }: WritableJournal): boolean {
  try {
    return runNow(readIfAny(path, JOURNAL_FILE, MAX_JOURNAL_FILE)) !== writeJournalFile(file)
  } catch (error) {
    return isGone(error) || error instanceof ModelSealError
  }
}

function checkOwn(path: string, directory: string): void {
  if (!statSync(path).isDirectory())
    throw invalidJournal(directory, 'it is not a directory', {
      hint: 'Name a directory; it is created if it does not exist.',
    })
  try {
    checkPrivate(path)
  } catch (cause) {
    const { expected, found, hint } = cause instanceof ModelSealError ? cause : ({} as Partial<ModelSealError>)
    throw invalidJournal(directory, 'it is not private to this user', {
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
      hint: hint ?? 'Change its owner or mode (chmod 700), or name another directory.',
      cause,
    })
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
}

async function openFile(
  path: string,
  { host, key: keyFile, directory }: { host: string | undefined; key: string | undefined; directory: string },
): Promise<WritableJournal> {
  const text = (await runSoon(readIfAny(path, JOURNAL_FILE, MAX_JOURNAL_FILE))) ?? (await textOfNew(path, directory))
  const existing = text === undefined ? undefined : journalIn(text, directory)
  const key = await hostKey(path, { key: keyFile, existing: existing && readVerifierKey(existing.key)?.key })
  const file = existing ?? journalIn(await createFile(path, key, host), directory)
  const expected = verifierKey(originOf(file), key.publicKey)
  if (file.key !== expected)
    throw invalidJournal(directory, 'it was created with another key', {
      expected: file.key,
      found: expected,
      hint: 'Give the key with which it was created, or name another directory.',
    })
  return { path, file, key }
}

/**
 * Refuses to create a journal around the commits of another one, whose `journal.json` somebody deleted: no key could continue them.
 *
 * @returns what `journal.json` contains if another process created it meanwhile
 */
async function textOfNew(path: string, directory: string): Promise<string | undefined> {
  for (const folder of [COMMITS, HEADS]) {
    const names = await runSoon(fileNames(join(path, folder)))
    const found = names.find((name) => commitIn(name) !== undefined || packIn(name) !== undefined)
    if (found === undefined) continue
    const text = await runSoon(readIfAny(path, JOURNAL_FILE, MAX_JOURNAL_FILE))
    if (text !== undefined) return text
    throw invalidJournal(directory, `it has commits, but its ${JOURNAL_FILE} is missing`, {
      found: `${folder}/${found}`,
      hint: `Restore ${JOURNAL_FILE} from a copy. If there is none, keep the directory as evidence, and name another one.`,
    })
  }
  return undefined
}

function journalIn(text: string, directory: string): JournalFile {
  const read = readJournalFile(text)
  if ('journal' in read && readVerifierKey(read.journal.key)?.name === originOf(read.journal)) return read.journal
  const fault = 'fault' in read ? read.fault : 'its key is not a verifier key'
  throw invalidJournal(directory, `${JOURNAL_FILE} is invalid: ${fault}`)
}

/** @returns what the file contains now: another process may have been first */
async function createFile(path: string, key: HostKey, host = hostname()): Promise<string> {
  const nonce = randomBytes(16).toString('hex')
  const text = writeJournalFile(describeJournal({ nonce, host, created: new Date().toISOString() }, key.publicKey))
  await runSoon(createWhole(join(path, JOURNAL_FILE), text))
  return (await runSoon(readIfAny(path, JOURNAL_FILE, MAX_JOURNAL_FILE))) ?? text
}
