// Loads the model, and compares what the runtime gets with what an accepted signer signed.
import { setTimeout } from 'node:timers/promises'
import type { ErrorCode } from '@modelseal/core'
import { expect } from 'vitest'
import type { Bytes, LoadRequest, Outcome } from './loading.ts'
import { fileFaults, isExposed, judge, mayList, type PolicyVersion, type Signature, type Site } from './site.ts'
import type { System } from './system.ts'
import { bytesOf, type Tampering } from './tampering.ts'
import type { User } from './user.ts'

/** What happened in all runs, to see that the test tests something. */
export const COUNTS = new Map<string, number>()

export function count(what: string): void {
  COUNTS.set(what, (COUNTS.get(what) ?? 0) + 1)
}

export interface Load extends Omit<LoadRequest, 'later' | 'interrupted'> {
  bySecond: boolean
  keepOpen: boolean
  /** Whether three seconds have passed since the last load, so that its receipt is valid. */
  isLater: boolean
  interruption?: Interruption
}

/** What somebody does to a file during the load. */
export interface Interruption {
  when: 'before reading' | 'after placing' | 'meanwhile'
  /** In milliseconds, for `meanwhile`. */
  delay: number
  bySecond: boolean
  tampering: Tampering
}

/** What a load must lead to. */
interface Expected {
  /** What may be accepted. */
  accepted: Signature[]
  /** How it may be refused. */
  codes: Set<ErrorCode>
  /** Undefined if it is not certain. */
  isAccepted: boolean | undefined
}

/** A file that changes during a load can be refused in each of these ways. */
const CHANGED: readonly ErrorCode[] = [
  'BUNDLE_NOT_FOUND',
  'FILE_CHANGED',
  'FILE_MISMATCH',
  'FILE_MISSING',
  'FILE_SPECIAL',
  'FILE_UNREADABLE',
  'FILE_UNSIGNED',
  'ISOLATION_REFUSED',
  'MODEL_NOT_FOUND',
  'SYMLINK_REFUSED',
]

export async function load(site: Site, system: System, given: Load): Promise<void> {
  system.check(site)
  count('loads')
  const user = userOf(system, given.bySecond)
  const { policy, isolation, way, interruption } = given
  const versions = versionsFor(site, user, policy)
  const expectedNow = () => (Array.isArray(versions) ? versions.map((it) => expectedBy(it, site, user, given)) : [])
  const expected = Array.isArray(versions)
    ? either(expectedNow())
    : { accepted: [], codes: new Set([versions]), isAccepted: false }
  if (given.isLater) {
    // The clock that is ahead does not know that a file may have changed in this tick of the real one.
    await setTimeout(25)
    site.later += 3_000
  }
  const changes = { made: false }
  const interrupt = async () => {
    if (!interruption) return
    changes.made = await tamperIfPossible(
      site,
      interrupter(system, user, interruption.bySecond),
      interruption.tampering,
    )
  }
  const interrupted = interruption && interruption.when !== 'meanwhile' ? interruption.when : undefined
  const loading = user.load({ policy, isolation, way, later: given.isLater ? site.later : 0, interrupted }, interrupt)
  if (interruption?.when === 'meanwhile') await Promise.all([loading, setTimeout(interruption.delay).then(interrupt)])
  const outcome = await loading
  if (changes.made) {
    count('interrupted')
    for (const { accepted, codes } of expectedNow()) {
      expected.accepted.push(...accepted)
      for (const code of codes) expected.codes.add(code)
    }
    // The change may also have been a repair, but no change of a file makes up for a signature.
    if (expected.accepted.length > 0) expected.isAccepted = undefined
    for (const code of CHANGED) expected.codes.add(code)
  }
  const accepted = check(outcome, expected, way)
  if ('code' in outcome || !accepted) return
  if (!given.keepOpen) return user.close(outcome.id)
  const watched = policy === 'watched' && site.watched.has(user.id)
  const version = (versions as PolicyVersion[])[0]!
  const { id } = outcome
  site.open.push({
    ...{ user: user.id, id, accepted, signatures: site.searched, policy: version, watched },
    changes: changes.made || leavesUnread(version, way) ? -1 : site.changes,
    doubtful: Array.isArray(versions) && versions.length > 1,
  })
}

function check(
  outcome: Outcome,
  { accepted, codes, isAccepted }: Expected,
  way: LoadRequest['way'],
): Signature | undefined {
  if ('code' in outcome) {
    count(outcome.code)
    expect([...codes], outcome.message).toContain(outcome.code)
    expect(isAccepted, `${outcome.code}: ${outcome.message}`).not.toBe(true)
    return undefined
  }
  expect(isAccepted, 'a load that must be refused').not.toBe(false)
  count(outcome.isWarm ? 'accepted by a receipt' : 'accepted')
  const signature = accepted.find(({ rootDigest }) => rootDigest === outcome.rootDigest)
  expect(signature, 'the signature of what was accepted').toBeDefined()
  if (way !== 'nothing') expectSigned(outcome.bytes, signature!)
  return signature
}

/** The runtime got exactly what was signed. */
export function expectSigned(bytes: Bytes, { files }: Signature): void {
  expect(Object.keys(bytes).sort()).toEqual([...files.keys()].sort())
  for (const [name, content] of files)
    expect(Buffer.compare(bytes[name]!, bytesOf(content)), `${name} is ${content}`).toBe(0)
}

/** The versions of the policy that may judge a load, or the code with which it is refused. */
function versionsFor(site: Site, user: User, policy: LoadRequest['policy']): PolicyVersion[] | ErrorCode {
  if (policy === 'watched' && site.watched.has(user.id)) return site.look(user.id)
  const held = policy === 'held' ? site.held.get(user.id) : undefined
  return held ? [held] : (site.policyFault(user.id) ?? [site.policy.version])
}

function expectedBy(version: PolicyVersion, site: Site, user: User, { isolation, way }: Load): Expected {
  if (!mayList(site, user.id)) {
    const codes = new Set<ErrorCode>(['BUNDLE_NOT_FOUND', 'FILE_UNREADABLE', 'MODEL_NOT_FOUND'])
    return { accepted: [], codes, isAccepted: false }
  }
  const { accepted, codes } = judge(site.searched, version)
  if (!accepted) return { accepted: [], codes, isAccepted: false }
  const faults: ErrorCode[] = fileFaults(site, accepted, version, user.id)
  const places = way.startsWith('place') || (way === 'stream' && isolation === 'in-place')
  const isOpen = [...accepted.files.keys()].some((name) => {
    const inode = site.inode(`model/${name}`)
    return inode && isExposed(inode, user.id)
  })
  if (places && (isolation === 'memory' || (isolation === 'in-place' && isOpen))) faults.push('ISOLATION_REFUSED')
  // Under "loaded", a file that nobody reads is not looked into.
  const seen = leavesUnread(version, way) ? faults.filter((code) => !CONTENT.has(code)) : faults
  const isAccepted = seen.length > 0 ? false : faults.length > 0 ? undefined : true
  return { accepted: [accepted], codes: new Set(faults), isAccepted }
}

/** What is wrong with the content of a file. */
const CONTENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['FILE_MISMATCH', 'FILE_REVOKED', 'FILE_UNREADABLE'])

function leavesUnread({ files }: PolicyVersion, way: Load['way']): boolean {
  return files === 'loaded' && way === 'nothing'
}

function either(all: readonly Expected[]): Expected {
  return {
    accepted: all.flatMap(({ accepted }) => accepted),
    codes: new Set(all.flatMap(({ codes }) => [...codes])),
    isAccepted: all.every(({ isAccepted }) => isAccepted === all[0]!.isAccepted) ? all[0]!.isAccepted : undefined,
  }
}

export function userOf(system: System, bySecond: boolean): User {
  return (bySecond ? system.second : undefined) ?? system.first
}

/** The process of the second user does one thing at a time. */
function interrupter(system: System, user: User, bySecond: boolean): User {
  return user === system.first ? userOf(system, bySecond) : system.first
}

/** Changes a file, if that makes sense now. @returns whether it was changed */
export async function tamperIfPossible(site: Site, user: User, tampering: Tampering): Promise<boolean> {
  if (!isPossible(site, tampering) || !(await user.tamper(tampering))) return false
  site.tampered(tampering, user.id)
  return true
}

export function isPossible(site: Readonly<Site>, tampering: Tampering): boolean {
  switch (tampering.do) {
    case 'add':
      return !site.entries.has(tampering.name)
    case 'hardLink':
    case 'link':
      return site.entries.has(tampering.other)
    case 'swap':
      return site.entries.has(tampering.name) && site.entries.has(tampering.other) && tampering.name !== tampering.other
    case 'linkDirectory':
      return !site.isDirectoryLinked
    case 'unlinkDirectory':
      return site.isDirectoryLinked
    case 'chmod':
    case 'chown':
      return site.directories.has(tampering.name) || site.entries.has(tampering.name)
    default:
      return site.entries.has(tampering.name)
  }
}
