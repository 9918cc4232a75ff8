import { resolve } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { readSmallFile, type ReadFile } from '../../source/read-small-file.ts'
import { trustRootInvalid } from '../sigstore/trust-config.ts'

/** The TUF repository of a private Sigstore instance. */
export interface TufSource {
  /** URL of its metadata; targets lie below it, in `targets/`. */
  tufUrl: string
  /** Path of its `root.json`, had from whoever runs the instance: what everything fetched must lead back to. */
  tufRoot: string
}

/** An instance of Sigstore that hands out its trusted root by TUF. */
export type TufInstance = 'public-good' | 'staging' | TufSource

/** A TUF repository, and where trust in it begins. */
export interface TufRepository {
  /** The instance, for people: `public-good`, `staging`, or the URL. */
  name: string
  /** Without a slash at its end. */
  url: string
  /** Root metadata (TUF 1.0.33, 5.2) that is trusted beforehand. */
  anchor: Buffer
  /** The `trusted_root.json` that is carried along. */
  carried: Buffer | undefined
}

const MIRRORS = {
  'public-good': 'https://tuf-repo-cdn.sigstore.dev',
  staging: 'https://tuf-repo-cdn.sigstage.dev',
} as const

/** The limit that `tuf-js` sets for root metadata. */
const MAX_ROOT_BYTES = 512_000

/**
 * The repository of an instance. That of public-good is carried along by `@sigstore/tuf`, that of staging here.
 *
 * @param read reads the `root.json` of a private instance
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `INVALID_ARGUMENT`, and what reading the file throws
 */
export async function repositoryOf(instance: TufInstance, read: ReadFile = readSmallFile): Promise<TufRepository> {
  if (instance === 'public-good') return { name: instance, url: MIRRORS[instance], ...(await publicGoodSeeds()) }
  if (instance === 'staging') {
    const [anchor, carried] = await Promise.all([
      import('../staging-tuf-root.json', { with: { type: 'json' } }),
      import('../staging-root.json', { with: { type: 'json' } }),
    ])
    const bytes = ({ default: json }: { default: unknown }) => Buffer.from(JSON.stringify(json))
    return { name: instance, url: MIRRORS[instance], anchor: bytes(anchor), carried: bytes(carried) }
  }
  const url = urlOf(instance)
  const anchor = await read(resolve(instance.tufRoot), {
    what: 'root metadata of the TUF repository',
    maxBytes: MAX_ROOT_BYTES,
    hint: 'Give the path of the root.json that whoever runs this Sigstore instance handed out.',
  })
  return { name: url, url, anchor, carried: undefined }
}

/** The address of an instance's repository, as it is written everywhere. */
export function urlOf(instance: TufInstance): string {
  if (typeof instance === 'string') return MIRRORS[instance]
  const url = URL.parse(instance.tufUrl)
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '' && url.hash === '')
    return url.href.replace(/\/+$/, '')
  throw new ModelSealError('INVALID_ARGUMENT', 'The address of the TUF repository is none.', {
    expected: 'an http or https URL without user, query and fragment',
    found: shown(instance.tufUrl),
  })
}

/** As the library was released with it. */
async function publicGoodSeeds(): Promise<{ anchor: Buffer; carried: Buffer }> {
  try {
    const { default: json }: { default: unknown } = await import('@sigstore/tuf/seeds.json', { with: { type: 'json' } })
    const seed = (json as Record<string, Seed | undefined>)[MIRRORS['public-good']]
    const carried = seed?.targets['trusted_root.json']
    if (!seed || carried === undefined) throw new Error('@sigstore/tuf carries no root')
    return { anchor: Buffer.from(seed['root.json'], 'base64'), carried: Buffer.from(carried, 'base64') }
  } catch (cause) {
    throw trustRootInvalid(cause, '@sigstore/tuf/seeds.json')
  }
}

interface Seed {
  'root.json': string
  targets: Record<string, string>
}
