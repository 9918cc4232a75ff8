import { bundleTooLarge, type FoundBundle } from '../../bundle/bundle.ts'
import { checkedMaxBundleBytes } from '../../bundle/read-bundle.ts'
import { claimedStatement } from '../../bundle/claim.ts'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { ClaimedName } from '../../policy/matching/match.ts'
import type { BundlePlaces, Rule } from '../../policy/rule.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { findBundles, type FoundModel } from './find-bundles.ts'
import type { OpenOptions } from '../open-options.ts'

type SearchOptions = Pick<OpenOptions, 'signature' | 'maxBundleBytes' | 'signal'>

/** Where to search. */
export interface SearchedSource {
  /** Name of the model in messages. */
  readonly label: string
  /** Whether the bytes of bundles are kept. */
  readonly keepsBundles?: boolean | undefined
  opened(): Promise<OpenedSource>
}

/** Looks for a model's bundles once, when they are first needed. */
export class BundleSearch {
  readonly #source: SearchedSource
  readonly #options: SearchOptions
  /** The search of another judgement of the same load. */
  readonly #other: BundleSearch | undefined
  /** Results by the places that were searched. */
  readonly #found = new Map<string, Found>()
  #places: BundlePlaces | undefined
  #ruleBytes: number | undefined

  /** @param other search whose results are reused */
  constructor(source: SearchedSource, options: SearchOptions, other?: BundleSearch) {
    this.#source = source
    this.#options = options
    this.#other = other
  }

  /**
   * Searches where the chosen rule says, with its size limit, which can raise the default but only lower the caller's
   * limit.
   *
   * Bundles that were read for the names they claim, to choose the rule, are not read again: they could have been
   * replaced by bundles that claim other names. One that was too large to be read remains so.
   */
  goBy({ bundle, require }: Rule): void {
    this.#places = bundle
    this.#ruleBytes = require.maxBundleBytes
  }

  /** @throws {@link ModelSealError} like `findBundles` */
  async find(): Promise<FoundModel> {
    const found = await this.#at(this.#places)
    if (this.#ruleBytes === undefined) return found
    return { ...found, bundles: found.bundles.map(atMost(this.#ruleBytes)) }
  }

  #at(places: BundlePlaces | undefined): Promise<FoundModel> {
    const key = keyOf(places)
    const known = this.#found.get(key)
    if (known) return known.model
    const maxBundleBytes = smaller(this.#options.maxBundleBytes, this.#ruleBytes)
    const readBytes = checkedMaxBundleBytes(maxBundleBytes)
    const model = this.#find(places, { maxBundleBytes, readBytes })
    this.#found.set(key, { model, readBytes })
    return model
  }

  async #find(
    places: BundlePlaces | undefined,
    { maxBundleBytes, readBytes }: { maxBundleBytes: number | undefined; readBytes: number },
  ): Promise<FoundModel> {
    const { signature, signal } = this.#options
    const read = this.#other && (await this.#other.#within(places, readBytes))
    if (read) return read
    const keeps = this.#source.keepsBundles
    return findBundles(await this.#source.opened(), signature, { maxBundleBytes, signal, places, keeps })
  }

  /** Earlier results within another limit; undefined if that limit is higher, so more must be read. */
  async #within(places: BundlePlaces | undefined, maxBytes: number): Promise<FoundModel | undefined> {
    const read = this.#found.get(keyOf(places))
    if (!read || read.readBytes < maxBytes) return undefined
    // The search failed for the other judgement, so this one repeats it.
    const found = await read.model.catch(() => undefined)
    return found && { ...found, bundles: found.bundles.map(atMost(maxBytes)) }
  }

  /**
   * Like {@link find}, but undefined if there is no bundle, for modes that load a model without one.
   *
   * @param orUnreadable also undefined if a bundle does not parse
   * @param orTooLarge also undefined if a bundle was not read because it is too large or there are too many
   */
  async findIfAny({
    orUnreadable,
    orTooLarge,
  }: {
    orUnreadable: boolean
    orTooLarge: boolean
  }): Promise<FoundModel | undefined> {
    try {
      return await this.find()
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      const { cause } = error
      if (!orTooLarge && cause instanceof ModelSealError && cause.code === 'MODEL_TOO_LARGE') throw cause
      // A model behind a link has no bundle, and these modes follow links.
      if (error.code === 'BUNDLE_NOT_FOUND' || error.code === 'FILE_NOT_SIGNED' || error.code === 'SYMLINK_REFUSED')
        return undefined
      if (!orTooLarge && (TOO_LARGE.has(error.code) || error.code === 'JSON_TOO_COMPLEX')) throw error
      if (TOO_LARGE.has(error.code)) return undefined
      if (orUnreadable && PARSE_ERROR.test(error.code)) return undefined
      throw error
    }
  }

  /**
   * The model name that each bundle claims. Unverified.
   *
   * @param rules all rules that may be chosen: bundles in the places of any of them count, so that no place hides a
   * name from another rule
   */
  async claimedNames(rules: readonly Rule[]): Promise<ClaimedName[]> {
    const all = new Map<string, BundlePlaces | undefined>([['', undefined]])
    for (const { bundle } of rules) if (bundle) all.set(keyOf(bundle), bundle)
    const names: ClaimedName[] = []
    for (const places of all.values()) names.push(...(await this.#namesAt(places)))
    return names
  }

  async #namesAt(places: BundlePlaces | undefined): Promise<ClaimedName[]> {
    try {
      const { bundles, unread } = await this.#at(places)
      const names: ClaimedName[] = unread === undefined ? [] : [{ path: unread }]
      for (const found of bundles) names.push(await nameClaimedBy(found, this.#options.signal))
      return names
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED' || TOO_LARGE.has(error.code)) throw error
      if (WITHOUT_BUNDLE.has(error.code)) return []
      return [{ path: this.#options.signature ?? this.#source.label }]
    }
  }
}

interface Found {
  model: Promise<FoundModel>
  /** Size limit with which it was read. */
  readBytes: number
}

function keyOf(places: BundlePlaces | undefined): string {
  return places ? JSON.stringify(places.written) : ''
}

function smaller(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

function atMost(maxBytes: number): (found: FoundBundle) => FoundBundle {
  return (found) => {
    if ('error' in found || found.bundle.size <= maxBytes) return found
    const { path, bundle } = found
    return { path, error: bundleTooLarge(path, maxBytes, { found: `${bundle.size} bytes` }) }
  }
}

/** The codes for errors in a bundle's content. */
const PARSE_ERROR =
  /^(?:JSON|BUNDLE|STATEMENT|RESOURCE|RESOURCES|CERTIFICATE|TIMESTAMP)_|^(?:BASE64_INVALID|SIGNATURE_COUNT|PAYLOAD_TYPE|PREDICATE_TYPE|SERIALIZATION_UNSUPPORTED|ROOT_DIGEST_MISMATCH|CHAIN_TOO_LARGE)$/

/** The codes for a bundle whose claims were not read. */
const TOO_LARGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUNDLE_TOO_LARGE',
  'BUNDLES_TOO_MANY',
  'CLAIM_TOO_LARGE',
])

/** The codes of {@link findBundles} for a model without a readable bundle. */
const WITHOUT_BUNDLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUNDLE_NOT_FOUND',
  'FILE_NOT_SIGNED',
  'MODEL_NOT_FOUND',
])

/** The name that one bundle claims. */
export async function nameClaimedBy(found: FoundBundle, signal: AbortSignal | undefined): Promise<ClaimedName> {
  const { path } = found
  if ('error' in found) return { path }
  try {
    return { path, name: (await claimedStatement(found.bundle, signal)).modelName }
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED' || TOO_LARGE.has(error.code)) throw error
    return { path }
  }
}
