// The model: what is on disk, who signed what, and what a load must lead to, without any of modelseal's code.
import { createHash } from 'node:crypto'
import type { ErrorCode } from '@modelseal/core'
import { bytesOf, type Content, type Tampering } from './tampering.ts'

export const KEYS = ['one', 'two', 'stranger'] as const
export type Key = (typeof KEYS)[number]
export const SLOTS = ['model.sig', 'a.oms.sig', 'b.oms.sig'] as const
export type Slot = (typeof SLOTS)[number]

/** A version of the policy. */
export interface PolicyVersion {
  /** The keys of the trust roots that the rule names. */
  readonly trusted: readonly Key[]
  /** The key in the file of the root `rotating`, which the rule names as well. */
  readonly rotating: Key
  readonly threshold: 1 | 2
  readonly revokedKeys: readonly Key[]
  readonly revokedRoots: readonly string[]
  readonly revokedFiles: readonly Content[]
  readonly receipts: boolean
  readonly files: 'all' | 'loaded' | 'ignore-unsigned'
  /** The name that the model must have. */
  readonly name: string | undefined
}

export const FIRST_POLICY: PolicyVersion = {
  trusted: ['one'],
  rotating: 'two',
  threshold: 1,
  revokedKeys: [],
  revokedRoots: [],
  revokedFiles: [],
  receipts: true,
  files: 'all',
  name: undefined,
}

/** What a key signed. */
export interface Signature {
  readonly key: Key
  readonly name: string
  readonly shards: boolean
  readonly files: ReadonlyMap<string, Content>
  readonly rootDigest: string
  /** The bundles that were there when it was signed, itself included. They are no files of the model. */
  readonly ignored: ReadonlySet<Slot>
  /** The bundle, to put it back later. */
  readonly bundle: Uint8Array
  readonly damaged?: 'signature' | 'payload' | 'cut off'
}

export interface Inode {
  content: Content
  mode: number
  owner: number
}

type Entry = { inode: Inode } | { link: string }

/** The policy file. */
export interface PolicyFile {
  version: PolicyVersion
  /** False if it contains something else than a policy. */
  valid: boolean
  owner: number
  mode: number
  /** Changes whenever a file of the policy does. */
  stamp: number
}

/** What a watched policy may be at. */
export interface Watched {
  stamp: number
  /** The version in use, or one of several. */
  versions: PolicyVersion[]
  /** The valid versions since it was last asked. */
  since: PolicyVersion[]
}

/** A model that is open. */
export interface OpenModel {
  readonly user: number
  readonly id: number
  readonly accepted: Signature
  readonly signatures: readonly Signature[]
  readonly policy: PolicyVersion
  readonly watched: boolean
  /** How often the files had been changed when it was loaded. */
  readonly changes: number
  /** True if a version of the policy since may have revoked it. */
  doubtful: boolean
  /** True if the user has watched the policy anew since. */
  isOfEarlierWatch?: boolean
}

export class Site {
  readonly entries = new Map<string, Entry>()
  readonly directories = new Map<string, { mode: number; owner: number }>()
  isDirectoryLinked = false
  readonly slots = new Map<Slot, Signature>()
  /** Everything that was ever signed. */
  readonly signed: Signature[] = []
  readonly policy: PolicyFile
  readonly held = new Map<number, PolicyVersion>()
  readonly watched = new Map<number, Watched>()
  readonly open: OpenModel[] = []
  /** How often files have been changed. */
  changes = 0
  /** How far the clock of loads is ahead, in milliseconds. */
  later = 0
  /** The user who does everything that the second user does not do. */
  readonly first: number

  constructor(first: number) {
    this.first = first
    this.policy = { version: FIRST_POLICY, valid: true, owner: first, mode: 0o644, stamp: 0 }
    for (const name of ['model', 'model/sub', 'outside'])
      this.directories.set(name, { mode: name === 'outside' ? 0o777 : 0o755, owner: first })
  }

  inode(name: string): Inode | undefined {
    const entry = this.entries.get(name)
    if (!entry) return undefined
    return 'link' in entry ? this.inode(entry.link) : entry.inode
  }

  /** The names of the files of the model, without its bundles. */
  get names(): string[] {
    return [...this.entries.keys()].filter((name) => name.startsWith('model/')).map((name) => name.slice(6))
  }

  get hasLinks(): boolean {
    return this.isDirectoryLinked || this.names.some((name) => 'link' in this.entries.get(`model/${name}`)!)
  }

  /** The contents of the model now. */
  contents(): Map<string, Content> {
    return new Map(this.names.map((name) => [name, this.inode(`model/${name}`)!.content]))
  }

  /** Records what a user did. */
  tampered(tampering: Tampering, user: number): void {
    this.changes++
    const fresh = (content: Content): Entry => ({ inode: { content, mode: 0o644, owner: user } })
    const { entries } = this
    switch (tampering.do) {
      case 'write':
        this.inode(tampering.name)!.content = tampering.content
        break
      case 'replace':
      case 'add':
        entries.set(tampering.name, fresh(tampering.content))
        break
      case 'remove':
        entries.delete(tampering.name)
        break
      case 'truncate': {
        const inode = this.inode(tampering.name)!
        inode.content = `${inode.content[0]!}:7`
        break
      }
      case 'swap': {
        const [one, other] = [entries.get(tampering.name)!, entries.get(tampering.other)!]
        entries.set(tampering.name, other)
        entries.set(tampering.other, one)
        break
      }
      case 'hardLink':
        entries.set(tampering.name, { inode: this.inode(tampering.other)! })
        break
      case 'link':
        entries.set(tampering.name, { link: tampering.other })
        break
      case 'linkDirectory':
      case 'unlinkDirectory':
        this.isDirectoryLinked = tampering.do === 'linkDirectory'
        break
      case 'chmod':
        ;(this.directories.get(tampering.name) ?? this.inode(tampering.name)!).mode = tampering.mode
        break
      case 'chown':
        ;(this.directories.get(tampering.name) ?? this.inode(tampering.name)!).owner = tampering.owner
    }
  }

  /** Records that a file of the policy changed. */
  policyChanged(change: Partial<PolicyFile>): void {
    Object.assign(this.policy, change, { stamp: this.policy.stamp + 1 })
    for (const [user, watched] of this.watched) {
      if (this.policyFault(user) !== undefined) continue
      watched.since.push(this.policy.version)
      for (const open of this.open)
        if (open.user === user && this.refusesOpen(open, this.policy.version) !== false) open.doubtful = true
    }
  }

  /** Why a user cannot read the policy. */
  policyFault(user: number): ErrorCode | undefined {
    const { owner, mode, valid } = this.policy
    if ((owner !== 0 && owner !== user) || (mode & 0o022) !== 0) return 'POLICY_UNTRUSTED'
    return valid ? undefined : 'POLICY_INVALID'
  }

  /** The versions by which a load may be judged, after a watched policy has looked at its files. */
  look(user: number): PolicyVersion[] {
    const watched = this.watched.get(user)!
    if (watched.stamp !== this.policy.stamp) {
      watched.stamp = this.policy.stamp
      watched.versions =
        this.policyFault(user) === undefined ? [this.policy.version] : [...watched.versions, ...watched.since]
      watched.since = []
    }
    return watched.versions
  }

  /** The bundles that a load looks at. */
  get searched(): Signature[] {
    const usual = this.slots.get('model.sig')
    if (usual) return [usual]
    return [...this.slots].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, signature]) => signature)
  }

  /** True, false, or undefined if it is not certain. */
  refusesOpen({ signatures, accepted, policy, watched }: OpenModel, version: PolicyVersion): boolean | undefined {
    if (!watched) return false
    if (version.files !== policy.files || accepted.shards) return undefined
    const now = judge(signatures, version)
    const isRevoked = [...accepted.files.values()].some((content) => version.revokedFiles.includes(content))
    return now.accepted !== undefined && isSame(now.accepted, accepted) ? isRevoked : true
  }
}

/** How a policy judges signatures. */
export interface Judged {
  /** The signature whose files the runtime may get. */
  accepted?: Signature
  /** The codes with which the model may be refused otherwise. */
  codes: Set<ErrorCode>
}

export function judge(signatures: readonly Signature[], version: PolicyVersion): Judged {
  const codes = new Set<ErrorCode>(signatures.length === 0 ? ['BUNDLE_NOT_FOUND'] : ['SIGNATURE_THRESHOLD'])
  const groups: Signature[][] = []
  for (const signature of signatures) {
    const faults = faultsOf(signature, version)
    for (const fault of faults) codes.add(fault)
    if (faults.length > 0) continue
    const group = groups.find(([first]) => first && isSame(first, signature))
    if (group) group.push(signature)
    else groups.push([signature])
  }
  const reached = groups.find((group) => new Set(group.map(({ key }) => key)).size >= version.threshold)
  return { ...(reached?.[0] ? { accepted: reached[0] } : {}), codes }
}

function faultsOf(signature: Signature, version: PolicyVersion): ErrorCode[] {
  const { key, damaged, rootDigest, name, shards, files } = signature
  const { trusted, rotating, revokedKeys, revokedRoots, revokedFiles } = version
  if (damaged === 'cut off') return ['JSON_INVALID']
  if (!trusted.includes(key) && rotating !== key) return ['SIGNER_NOT_TRUSTED']
  if (damaged) return ['SIGNATURE_INVALID']
  return [
    ...(revokedKeys.includes(key) ? (['KEY_REVOKED'] as const) : []),
    ...(revokedRoots.includes(rootDigest) ? (['MODEL_REVOKED'] as const) : []),
    ...(version.name !== undefined && version.name !== name ? (['MODEL_NAME_REFUSED'] as const) : []),
    // The digests of shards are not those of files.
    ...(!shards && [...files.values()].some((it) => revokedFiles.includes(it)) ? (['FILE_REVOKED'] as const) : []),
  ]
}

/** Whether two signatures are over the same model. */
function isSame(one: Signature, other: Signature): boolean {
  const same = [...one.files].every(([name, content]) => other.files.get(name) === content)
  return same && one.files.size === other.files.size && one.shards === other.shards
}

/** The codes with which the files on disk refuse a model that was signed; empty if nothing is wrong with them. */
export function fileFaults(site: Site, signature: Signature, version: PolicyVersion, user: number): ErrorCode[] {
  const codes: ErrorCode[] = []
  const contents = site.contents()
  for (const [name, content] of signature.files) {
    const entry = site.entries.get(`model/${name}`)
    if (!entry) codes.push('FILE_MISSING')
    else if ('link' in entry) codes.push('SYMLINK_REFUSED', 'FILE_MISSING')
    else if (contents.get(name) !== content) codes.push('FILE_MISMATCH')
    // What is missing in a directory that the user cannot list may be found to be unreadable instead.
    if (!mayEnter(site, user, name) || (entry && !allows(user, site.inode(`model/${name}`)!, 0o4)))
      codes.push('FILE_UNREADABLE')
    if ([content, contents.get(name)].some((it) => it && version.revokedFiles.includes(it))) codes.push('FILE_REVOKED')
    // The linked directory is one of the model, with signed files.
    if (site.isDirectoryLinked && name.startsWith('sub/')) codes.push('SYMLINK_REFUSED', 'FILE_MISSING')
  }
  if (version.files === 'ignore-unsigned') return codes
  // Whether or not anything in it is signed.
  if (site.isDirectoryLinked) codes.push('SYMLINK_REFUSED')
  // Beside the usual bundle, nobody looks for others.
  for (const slot of site.slots.keys())
    if (site.slots.has('model.sig') && slot !== 'model.sig' && !signature.ignored.has(slot)) codes.push('FILE_UNSIGNED')
  for (const name of contents.keys()) {
    if (signature.files.has(name)) continue
    codes.push('link' in site.entries.get(`model/${name}`)! ? 'SYMLINK_REFUSED' : 'FILE_UNSIGNED')
  }
  return codes
}

/** Whether a user can list the directories of a file. */
function mayEnter(site: Site, user: number, name: string): boolean {
  const path = ['model', ...(name.startsWith('sub/') ? ['model/sub'] : [])].map((it) => site.directories.get(it)!)
  return path.every((directory) => allows(user, directory, 0o5))
}

function allows(user: number, { owner, mode }: { owner: number; mode: number }, wanted: number): boolean {
  if (user === 0) return true
  return ((owner === user ? mode >> 6 : mode) & wanted) === wanted
}

/** Whether a user can list the model, and so find its bundles. */
export function mayList(site: Site, user: number): boolean {
  return allows(user, site.directories.get('model')!, 0o5)
}

/** Whether users besides root and this one can write to a file. */
export function isExposed(inode: Inode, user: number): boolean {
  return (inode.owner !== 0 && inode.owner !== user) || (inode.mode & 0o022) !== 0
}

export function sha256(content: Content): string {
  return createHash('sha256').update(bytesOf(content)).digest('hex')
}
