import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { writeFeedStatement, type FeedContent } from '../policy/advisories/feed-statement.ts'
import { loadCompiledPolicy } from '../policy/load-policy.ts'
import type { CompiledPolicy } from '../policy/policy.ts'
import { bundleOver, keyPair, type KeyPair } from './bundles.ts'
import { scratch } from './scratch.ts'

const DAY = 24 * 3_600_000
export const DENIED = 'ab'.repeat(32)

/** A directory with a policy that follows a feed, its keys, and a cache of its own. */
export class FeedSite {
  readonly publisher = keyPair()
  readonly other = keyPair()
  readonly directory: string

  /** Sets `MODELSEAL_CACHE`: call `vi.unstubAllEnvs()` afterwards. */
  static async create(): Promise<FeedSite> {
    const site = new FeedSite()
    await chmod(join(site.directory, 'cache'), 0o700)
    vi.stubEnv('MODELSEAL_CACHE', join(site.directory, 'cache'))
    return site
  }

  private constructor() {
    this.directory = scratch({ 'a.pub': pem(this.publisher), 'b.pub': pem(this.other), 'cache/.keep': '' })
  }

  /** A policy that follows one feed, or more. */
  async policy(...feeds: readonly object[]): Promise<CompiledPolicy> {
    const path = join(this.directory, 'policy.json')
    const content = {
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
      rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
      advisories: feeds.map((feed) => ({ signers: [{ key: 'a' }], ...feed })),
    }
    await writeFile(path, JSON.stringify(content))
    const { policy, problems } = await loadCompiledPolicy(path)
    expect(problems).toEqual([])
    return policy
  }

  /** A feed file. */
  signed(content: FeedContent, ...signers: readonly KeyPair[]): Buffer {
    return this.signedStatement(writeFeedStatement(content), ...signers)
  }

  /** The same for any statement. */
  signedStatement(payload: Buffer, ...signers: readonly KeyPair[]): Buffer {
    const lines = (signers.length === 0 ? [this.publisher] : signers).map((signer) => bundleOver(payload, signer))
    return Buffer.concat(
      lines.flatMap((line) => [Buffer.from(JSON.stringify(JSON.parse(line.toString()))), Buffer.from('\n')]),
    )
  }
}

export function pem({ publicKey }: KeyPair): string {
  return String(publicKey.key.export({ type: 'spki', format: 'pem' }))
}

/** A version of a feed that expires in a week. */
export function version(sequence: number, more: Partial<FeedContent> = {}): FeedContent {
  const now = Date.now()
  return {
    feed: 'acme',
    sequence,
    issued: new Date(now).toISOString(),
    expires: new Date(now + 7 * DAY).toISOString(),
    denied: { rootDigests: [DENIED] },
    ...more,
  }
}
