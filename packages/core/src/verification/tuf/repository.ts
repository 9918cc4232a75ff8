import { resolve } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { readSmallFile, type ReadFile, type SmallFile } from '../../source/read-small-file.ts'
import { trustRootInvalid } from '../sigstore/trust-config.ts'

/** The TUF repository of a private Sigstore instance. */
export interface TufSource {
  /** URL of its metadata; targets are below it, in `targets/`. */
  tufUrl: string
  /** Path of its `root.json`, from the operator of the instance: everything fetched is verified against it. */
  tufRoot: string
}

/** A Sigstore instance that distributes its trusted root by TUF. */
export type TufInstance = 'public-good' | 'staging' | TufSource

/** A TUF repository, and its initial trusted root. */
export interface TufRepository {
  /** The instance, for messages: `public-good`, `staging`, or the URL. */
  name: string
  /** Without a trailing slash. */
  url: string
  /** The initial trusted root metadata (TUF 1.0.33, 5.2). */
  anchor: Buffer
  /** The included `trusted_root.json`. */
  included: Buffer | undefined
}

const MIRRORS = {
  'public-good': 'https://tuf-repo-cdn.sigstore.dev',
  staging: 'https://tuf-repo-cdn.sigstage.dev',
} as const

/** The limit that `tuf-js` sets for root metadata. */
const MAX_ROOT_BYTES = 512_000

/**
 * The repository of an instance. The root of public-good is included in `@sigstore/tuf`, that of staging in this package.
 *
 * @param read reads the `root.json` of a private instance
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `INVALID_ARGUMENT`, and what reading the file throws
 */
export async function repositoryOf(instance: TufInstance, read: ReadFile = readSmallFile): Promise<TufRepository> {
  if (instance === 'public-good') return { name: instance, url: MIRRORS[instance], ...(await publicGoodSeeds()) }
  if (instance === 'staging') {
    const [anchor, included] = await Promise.all([
      import('../staging-tuf-root.json', { with: { type: 'json' } }),
      import('../staging-root.json', { with: { type: 'json' } }),
    ])
    const bytes = ({ default: json }: { default: unknown }) => Buffer.from(JSON.stringify(json))
    return { name: instance, url: MIRRORS[instance], anchor: bytes(anchor), included: bytes(included) }
  }
  const url = repositoryUrl(instance)
  const anchor = await read(resolve(instance.tufRoot), TUF_ROOT_FILE)
  return { name: url, url, anchor, included: undefined }
}

/** The `root.json` of a private instance. */
export const TUF_ROOT_FILE: SmallFile = {
  what: 'root metadata of the TUF repository',
  maxBytes: MAX_ROOT_BYTES,
  hint: 'Give the path of the root.json that the operator of this Sigstore instance published.',
}

/** The normalized URL of an instance's repository. */
export function repositoryUrl(instance: TufInstance): string {
  if (typeof instance === 'string') return MIRRORS[instance]
  const url = URL.parse(instance.tufUrl)
  const foreign = url && [url.username, url.password, url.search, url.hash].some((part) => part !== '')
  if (url && ['http:', 'https:'].includes(url.protocol) && !foreign)
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid URL of the TUF repository.', {
    expected: 'an http or https URL without user, query and fragment',
    found: shown(instance.tufUrl),
  })
}

/** The root that the library was released with. */
async function publicGoodSeeds(): Promise<{ anchor: Buffer; included: Buffer }> {
  try {
    const { default: json }: { default: unknown } = await import('@sigstore/tuf/seeds.json', { with: { type: 'json' } })
    const seed = (json as Record<string, Seed | undefined>)[MIRRORS['public-good']]
    const included = seed?.targets['trusted_root.json']
    if (!seed || included === undefined) throw new Error('@sigstore/tuf includes no root')
    return { anchor: Buffer.from(seed['root.json'], 'base64'), included: Buffer.from(included, 'base64') }
  } catch (cause) {
    throw trustRootInvalid(cause, '@sigstore/tuf/seeds.json')
  }
}

interface Seed {
  'root.json': string
  targets: Record<string, string>
}
