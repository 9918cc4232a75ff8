// What is really there: a scratch directory with a model, keys and a policy, and the users.
import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { expect } from 'vitest'
import { remove } from '../../support/models.ts'
import { KEYS, sha256, type Key, type PolicyVersion, type Site, type Signature, type Slot } from './site.ts'
import { bytesOf } from './tampering.ts'
import type { User } from './user.ts'

/** Larger than most files of the model, so that some have one shard and some several. */
const SHARD_SIZE = 2_000

interface KeyPair {
  publicPem: string
  privatePem: string
  /** SHA-256 of the public key. */
  fingerprint: string
}

export class System {
  readonly root: string
  readonly first: User
  readonly second: User | undefined
  readonly #keys: Readonly<Record<Key, KeyPair>>
  #threads = new Map<number, number>()

  constructor(root: string, first: User, second: User | undefined) {
    this.root = root
    this.first = first
    this.second = second
    this.#keys = Object.fromEntries(KEYS.map((key) => [key, keyPair()])) as Record<Key, KeyPair>
  }

  get users(): User[] {
    return this.second ? [this.first, this.second] : [this.first]
  }

  user(id: number): User {
    return this.users.find((user) => user.id === id)!
  }

  /** Empties the directory, and writes the model, which is not signed yet, and the policy. */
  async reset(site: Site): Promise<void> {
    for (const name of readdirSync(this.root)) remove(this.path(name))
    chmodSync(this.root, 0o755)
    for (const [name, mode] of [
      ['aside', 0o777] as const,
      ...[...site.directories].map(([n, d]) => [n, d.mode] as const),
    ]) {
      mkdirSync(this.path(name), { recursive: true })
      chmodSync(this.path(name), mode)
    }
    symlinkSync('model', this.path('alias'))
    for (const [name, entry] of site.entries) {
      if (!('inode' in entry)) continue
      writeFileSync(this.path(name), bytesOf(entry.inode.content))
      chmodSync(this.path(name), entry.inode.mode)
    }
    for (const key of KEYS) {
      this.#write(`${key}.pub`, this.#keys[key].publicPem)
      writeFileSync(this.path(`${key}.key`), this.#keys[key].privatePem, { mode: 0o600 })
    }
    this.writePolicy(site.policy.version, 'replaced')
    for (const user of this.users) {
      const [temporary, cache] = ['tmp', 'cache'].map((name) => this.path(`${name}-${user.id}`)) as [string, string]
      for (const directory of [temporary, cache]) {
        mkdirSync(directory, { mode: 0o700 })
        if (user !== this.first) chownSync(directory, user.id, user.id)
      }
      await user.start(this.root, { TMPDIR: temporary, MODELSEAL_CACHE: cache })
    }
  }

  path(name: string): string {
    return join(this.root, name)
  }

  #write(name: string, content: string): void {
    writeFileSync(this.path(name), content)
    chmodSync(this.path(name), 0o644)
  }

  /** Writes a policy, into the file that is there or as a new file. */
  writePolicy(version: PolicyVersion, how: 'in place' | 'replaced'): void {
    const { trusted, threshold, receipts, files, name, revokedKeys, revokedRoots, revokedFiles } = version
    const rotating = this.#keys[version.rotating].publicPem
    if (!existsSync(this.path('rotating.pub')) || readFileSync(this.path('rotating.pub'), 'utf8') !== rotating)
      this.#replace('rotating.pub', rotating, how)
    const roots = [...trusted, 'rotating']
    const text = JSON.stringify({
      version: 1,
      trustRoots: Object.fromEntries(roots.map((root) => [root, { publicKey: `./${root}.pub` }])),
      rules: [
        {
          name: 'all',
          match: { path: '**' },
          signers: roots.map((root) => ({ key: root })),
          ...(threshold === 1 ? {} : { threshold }),
          require: { files, ...(receipts ? { receipts: 'allow' } : {}), ...(name === undefined ? {} : { name }) },
        },
      ],
      revoked: {
        keys: revokedKeys.map((key) => this.#keys[key].fingerprint),
        rootDigests: revokedRoots,
        fileDigests: revokedFiles.map((content) => `sha256:${sha256(content)}`),
      },
    })
    this.#replace('policy.yaml', text, how)
  }

  writeGarbage(how: 'in place' | 'replaced'): void {
    this.#replace('policy.yaml', 'version: 1\nrules: none\n', how)
  }

  #replace(name: string, text: string, how: 'in place' | 'replaced'): void {
    if (how === 'in place') writeFileSync(this.path(name), text)
    else {
      this.#write('new', text)
      renameSync(this.path('new'), this.path(name))
    }
  }

  async sign(
    slot: Slot,
    key: Key,
    { alias, shards }: { alias: boolean; shards: boolean },
  ): Promise<Omit<Signature, 'files' | 'ignored'>> {
    const signer = await keySigner({ privateKey: this.path(`${key}.key`) })
    const { rootDigest } = await signModel(this.path(alias ? 'alias' : 'model'), {
      signer,
      signature: this.path(`model/${slot}`),
      ...(shards ? { shardSize: SHARD_SIZE } : {}),
    })
    const bundle = readFileSync(this.path(`model/${slot}`))
    return { key, name: alias ? 'alias' : 'model', shards, rootDigest, bundle }
  }

  putBundle(slot: Slot, bundle: Uint8Array): void {
    writeFileSync(this.path(`model/${slot}`), bundle)
  }

  removeBundle(slot: Slot): void {
    rmSync(this.path(`model/${slot}`))
  }

  /** The record is right about the disk, or what it says of loads would mean nothing. */
  check(site: Site): void {
    for (const [name, entry] of site.entries) {
      if ('link' in entry) expect(readlinkSync(this.path(name)), name).toBe(this.path(entry.link))
      else expect(lstatSync(this.path(name)).isFile(), name).toBe(true)
      const { content } = site.inode(name)!
      expect(digestOf(this.path(name)), `${name} is ${content}`).toBe(sha256(content))
    }
    const there = readdirSync(this.path('model')).length + readdirSync(this.path('model/sub')).length
    expect(there).toBe(site.names.length + site.slots.size + 1)
  }

  /** Nothing is left behind. Closes all models. */
  async expectNothingLeft(): Promise<void> {
    for (const user of this.users) {
      const { files, threads } = await user.leftovers()
      expect(files, 'open files').toEqual([])
      // Node.js starts its own threads when they are first needed.
      const before = this.#threads.get(user.id) ?? threads + 8
      this.#threads.set(user.id, Math.min(before, threads))
      expect(threads, 'threads').toBeLessThanOrEqual(before + 8)
      expect(readdirSync(this.path(`tmp-${user.id}`)), 'temporary files').toEqual([])
      const cached = readdirSync(this.path(`cache-${user.id}`), { recursive: true }) as string[]
      expect(
        cached.filter((name) => !/^receipts(?:\/[0-9a-f-]+\.json)?$/.test(name)),
        'cached files',
      ).toEqual([])
    }
    expect(readdirSync(this.path('aside')).filter((name) => name !== 'sub')).toEqual([])
    const known = /^(?:aside|alias|model|outside|policy\.yaml|\w+\.(?:pub|key)|(?:tmp|cache)-\d+)$/
    expect(readdirSync(this.root).filter((name) => !known.test(name))).toEqual([])
  }

  /** Closes all models of a run that failed: otherwise, all after it would fail as well, and it could not be made smaller. */
  async abandon(): Promise<void> {
    for (const user of this.users) await user.leftovers()
  }

  async end(): Promise<void> {
    for (const user of this.users) await user.end()
  }
}

function keyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return {
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint: createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
  }
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
