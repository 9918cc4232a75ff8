import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import { octalMode, userText } from '../private/ownership.ts'
import type { SmallFile } from '../read-small-file.ts'
import type { PathEntry } from './trusted-path.ts'
import { isAnybody } from '../private/user-namespace.ts'

/** Which owners are trusted, and how other files are refused. */
export interface Trust {
  code: ErrorCode
  /** A user who is trusted besides root and the user of this process. */
  furtherOwner?: bigint | undefined
  /** Environment variable that names that user, for the hint. */
  ownerVariable?: string
}

/** A file that is being read. */
export interface TrustedFile {
  /** As the caller gave it. */
  path: string
  file: SmallFile
  trust: Trust
}

/** Refuses an entry that another user owns. */
export function foreign(entry: PathEntry, asked: TrustedFile): ModelSealError {
  const { furtherOwner, ownerVariable } = asked.trust
  const { uid } = entry.stat
  const own = process.geteuid?.() ?? 0
  const owners = new Set([0n, BigInt(own), ...(furtherOwner === undefined ? [] : [furtherOwner])])
  const chown = entry.kind === 'link' ? 'chown -h' : 'chown'
  const giving = advice('Change its owner to this user', `${chown} ${own}`, entry.path)
  const trusting =
    ownerVariable === undefined ? '' : ` If you trust that user with the policy, set ${ownerVariable}=${uid} instead.`
  return refused(entry, asked, {
    why: 'belongs to another user',
    expected: `owner ${[...owners].join(' or ')}`,
    found: `owner ${userText(uid)}, mode ${octalMode(entry.stat)}`,
    hint: isAnybody(uid) ? 'Use a file of a user that this user namespace maps.' : giving + trusting,
  })
}

/** Refuses an entry that other users can write to. */
export function exposed(entry: PathEntry, asked: TrustedFile): ModelSealError {
  const { uid, gid } = entry.stat
  return refused(entry, asked, {
    why: 'is writable by other users',
    expected: 'no write permission for group and others',
    found: `owner ${uid}, group ${gid}, mode ${octalMode(entry.stat)}`,
    hint: advice('Remove write permission for group and others', 'chmod go-w', entry.path),
  })
}

/** Refuses an entry that any user could have linked or moved there, whoever owns it. */
export function planted(entry: PathEntry, shared: string, asked: TrustedFile): ModelSealError {
  const { uid } = entry.stat
  return refused(entry, asked, {
    why: `may have been put there by another user, who can write to ${shown(shared)}`,
    expected: 'a directory that nobody else can write to',
    found: `owner ${uid}, mode ${octalMode(entry.stat)}, in a directory that others can write to`,
    hint: 'Keep it in a private directory, such as one created by "mktemp -d".',
  })
}

interface Reason {
  why: string
  expected: string
  found: string
  hint: string
}

function refused(entry: PathEntry, { path, file, trust }: TrustedFile, reason: Reason): ModelSealError {
  const { why, ...details } = reason
  const subject = entry.path === path && entry.kind === 'file' ? 'it' : `the ${NAMES[entry.kind]} ${shown(entry.path)}`
  const sentence = `Cannot use the ${file.what} ${shown(path)}: ${subject} ${why}.`
  return new ModelSealError(trust.code, sentence, { file: path, ...details })
}

const NAMES = { file: 'file', directory: 'directory', link: 'symbolic link' } as const

/** Adds a command to copy, with the path only if it needs no quoting. */
function advice(words: string, command: string, path: string): string {
  return `${words} (${command}${/^[\w@%+=:,./-]+$/.test(path) ? ` ${path}` : ''}).`
}
