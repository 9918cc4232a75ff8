import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { TrustMaterial } from '@sigstore/verify'
import type { TrustedRoot } from '@sigstore/protobuf-specs'
import { parseTrustConfig, readTrustConfig, trustRootInvalid, type TrustConfig } from '../bundle/trust-config.ts'
import { readSmallFile } from '../source/read-small-file.ts'

/** Which Sigstore instance to trust: the public one, or the one that a file describes. */
export type TrustRootSource =
  'public-good' | 'staging' | { /** Path of a ClientTrustConfig or of a `trusted_root.json`. */ file: string }

/** Which trusted root was used, and how old it is: plain, for verdicts. */
export interface TrustRootInfo {
  /** `public-good`, `staging`, or the absolute path of the file. */
  name: string
  source: 'carried' | 'file'
  /** SHA-256 of the root as it was read, lowercase hex. */
  digest: string
  /** When its newest key or certificate became valid (ISO 8601): nothing newer is in it. */
  newest: string
}

/** A trusted root, ready to verify with. */
export interface SigstoreTrust {
  info: TrustRootInfo
  root: TrustedRoot
  material: TrustMaterial
}

export const PUBLIC_GOOD_MIRROR = 'https://tuf-repo-cdn.sigstore.dev'

/** What `@sigstore/tuf` carries is 20 KB. */
const MAX_SEEDS_BYTES = 1024 * 1024

/**
 * Loads a Sigstore trusted root. Nothing is fetched: the public-good root is the one that
 * `@sigstore/tuf` carries, that of staging is carried here.
 *
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `JSON_*`
 * @example
 * ```ts
 * const trust = await loadSigstoreTrust('public-good')
 * console.log(trust.info.newest)
 * ```
 */
export async function loadSigstoreTrust(source: TrustRootSource): Promise<SigstoreTrust> {
  if (typeof source === 'string') return toTrust(await parseTrustConfig(await carriedRoot(source)), source, 'carried')
  const path = resolve(source.file)
  return toTrust(await readTrustConfig(path), path, 'file')
}

/** The bytes of a public instance's `trusted_root.json`. */
export async function carriedRoot(instance: 'public-good' | 'staging'): Promise<Buffer> {
  if (instance === 'public-good') return publicGoodRoot()
  const { default: root } = await import('./staging-root.json', { with: { type: 'json' } })
  return Buffer.from(JSON.stringify(root))
}

/** As the library was released with it. */
async function publicGoodRoot(): Promise<Buffer> {
  const path = createRequire(import.meta.url).resolve('@sigstore/tuf/seeds.json')
  const bytes = await readSmallFile(path, { what: 'carried Sigstore root', maxBytes: MAX_SEEDS_BYTES })
  try {
    const seeds = JSON.parse(bytes.toString()) as Record<string, { targets: Record<string, string> } | undefined>
    const root = seeds[PUBLIC_GOOD_MIRROR]?.targets['trusted_root.json']
    if (root === undefined) throw new Error('@sigstore/tuf carries no root')
    return Buffer.from(root, 'base64')
  } catch (cause) {
    throw trustRootInvalid(cause, path)
  }
}

/** Makes a parsed root ready to verify with. */
export async function toTrust(
  { trustedRoot: root, digest }: TrustConfig,
  name: string,
  source: TrustRootInfo['source'],
): Promise<SigstoreTrust> {
  const { toTrustMaterial } = await import('@sigstore/verify')
  try {
    return { info: { name, source, digest, newest: newestOf(root) }, root, material: toTrustMaterial(root) }
  } catch (cause) {
    throw trustRootInvalid(cause, source === 'file' ? name : undefined)
  }
}

function newestOf(root: TrustedRoot): string {
  const ranges = [
    ...[...root.tlogs, ...root.ctlogs].map(({ publicKey }) => publicKey?.validFor),
    ...[...root.certificateAuthorities, ...root.timestampAuthorities].map(({ validFor }) => validFor),
  ]
  return new Date(Math.max(0, ...ranges.map((range) => range?.start?.getTime() ?? 0))).toISOString()
}
