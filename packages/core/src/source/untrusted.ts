import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import { octalMode, userText } from './ownership.ts'
import type { SmallFile } from './read-small-file.ts'
import type { PathEntry } from './trusted-path.ts'
import { isAnybody } from './user-namespace.ts'

/** Whose files are believed, and how others' are refused. */
export interface Trust {
  code: ErrorCode
  /** A user who is trusted beside root and the one of this process. */
  furtherOwner?: bigint | undefined
  /** The environment variable that names that user, for the hint. */
  ownerVariable?: string
}

/** A file that is being read. */
export interface TrustedFile {
  /** As it was given. */
  path: string
  file: SmallFile
  trust: Trust
}

/** The refusal of what another user owns. */
export function foreign(entry: PathEntry, asked: TrustedFile): ModelSealError {
  const { furtherOwner, ownerVariable } = asked.trust
  const { uid } = entry.stat
  const own = process.geteuid?.() ?? 0
  const owners = new Set([0n, BigInt(own), ...(furtherOwner === undefined ? [] : [furtherOwner])])
  const chown = entry.kind === 'link' ? 'chown -h' : 'chown'
  const giving = advice('Make it a file of this user', `${chown} ${own}`, entry.path)
  const trusting = ownerVariable === undefined ? '' : ` Or set ${ownerVariable}=${uid}, if that user may decide.`
  return refused(entry, asked, {
    why: 'belongs to another user',
    expected: `the owner ${[...owners].join(' or ')}`,
    found: `the owner ${userText(uid)} and the mode ${octalMode(entry.stat)}`,
    hint: isAnybody(uid) ? 'Use a file whose owner this user namespace maps.' : giving + trusting,
  })
}

/** The refusal of what other users can write to. */
export function exposed(entry: PathEntry, asked: TrustedFile): ModelSealError {
  const { uid, gid } = entry.stat
  return refused(entry, asked, {
    why: 'can be written to by other users',
    expected: 'a mode without write permission for the group and others',
    found: `the owner ${uid}, the group ${gid} and the mode ${octalMode(entry.stat)}`,
    hint: advice('Take the write permission from group and others', 'chmod go-w', entry.path),
  })
}

/** The refusal of what anybody could have linked or moved to where it was found, whoever owns it. */
export function planted(entry: PathEntry, shared: string, asked: TrustedFile): ModelSealError {
  const { uid } = entry.stat
  return refused(entry, asked, {
    why: `may have been put there by another user, who can write to ${shown(shared)}`,
    expected: 'a directory that nobody else can write to',
    found: `the owner ${uid} and the mode ${octalMode(entry.stat)}, in a directory that others can write to`,
    hint: 'Keep it in a directory of its own, such as one that "mktemp -d" makes.',
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

/** With a command to copy, where no shell could take the path for anything else. */
function advice(words: string, command: string, path: string): string {
  return `${words} (${command}${/^[\w@%+=:,./-]+$/.test(path) ? ` ${path}` : ''}).`
}
