import { ModelSealError } from '../../errors.ts'
import { at } from '../../at.ts'
import { elsewhere } from '../../hashing/elsewhere.ts'
import type { Contents } from '../../manifest/contents.ts'
import { before } from '../../policy/schema/duration.ts'
import type { Rule } from '../../policy/rule.ts'
import { isUnchanged, makeReceipt, receiptFault, type Receipt, type RememberedDigests } from '../../receipts/receipt.ts'
import { ReceiptStore } from '../../receipts/store.ts'
import type { LocalSource } from '../../source/local/local-source.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'

/** A model on this machine that may not need hashing. */
interface WarmModel {
  contents: Contents
  source: LocalSource
  signature: VerifiedSignature
  /** Milliseconds since 1970. */
  startedAt: number
}

/**
 * Skips hashing a model if the rule allows receipts and a receipt of this user proves that it did not change. Signature
 * and policy have already been judged again.
 */
export class WarmLoad {
  readonly #model: WarmModel
  readonly #found: Receipt | Unusable | undefined
  /** A sentence that says why the model is, or is not, hashed; undefined if the rule allows no receipts. */
  #note: string | undefined

  /** Looks for a receipt and applies it. */
  static async start(model: WarmModel, { require: { receipts, files } }: Rule): Promise<WarmLoad> {
    // A receipt says that this user has hashed the files, on this machine.
    if (!receipts || files === 'loaded' || elsewhere()) return new WarmLoad(model)
    const { contents, startedAt } = model
    const found = await findReceipt(model, before(startedAt, receipts.maxAge))
    if (found instanceof Unusable) return new WarmLoad(model, `There is ${found.reason}.`, found)
    const { hashTypes = [], digests } = found.further ?? {}
    const columns = contents.furtherHashTypes.map((type) => hashTypes.indexOf(type))
    contents.takeOver((name) => columns.map((column) => at(digests?.get(name) ?? [], column)))
    const note = `All ${contents.names.length} files are unchanged since they were hashed at ${new Date(found.hashedAt).toISOString()}.`
    return new WarmLoad(model, note, found)
  }

  private constructor(model: WarmModel, note?: string, found?: Receipt | Unusable) {
    this.#model = model
    this.#found = found
    this.#note = note
  }

  /** True if the model was not hashed. */
  get warm(): boolean {
    return this.#found !== undefined && !(this.#found instanceof Unusable)
  }

  get note(): string | undefined {
    if (!this.warm) return this.#note
    const { bytes } = this.#model.contents.checked
    // Buffers and copies are always hashed.
    const again = bytes === 0 ? 'none was hashed again' : `${bytes} bytes were hashed again as they were handed out`
    return `${this.#note} To check the signature, ${again}.`
  }

  /** Stores a receipt for a model that was hashed completely, if the rule allows it. Never fails. */
  async finish(): Promise<void> {
    if (this.#note === undefined || this.warm) return
    // Another one would be too new as well, so a model that is loaded every second would never have one to use.
    if (this.#found instanceof Unusable && this.#found.ripens) return
    const kept = await keepReceipt(this.#model)
    this.#note += kept === undefined ? ' A receipt was left for the next load.' : ` No receipt was left: ${kept}.`
  }
}

/** Why a model is hashed. */
class Unusable {
  /** A phrase: what there is instead of a receipt. */
  readonly reason: string
  /** True if there is a receipt of the state that the model has now, which only has to become older. */
  readonly ripens: boolean

  constructor(reason: string, ripens = false) {
    this.reason = reason
    this.ripens = ripens
  }
}

async function findReceipt(
  { source, signature: { bundleDigest, manifest }, contents, startedAt: now }: WarmModel,
  oldest: number,
): Promise<Receipt | Unusable> {
  try {
    const receipt = await ReceiptStore.open().find(source.path, bundleDigest)
    if (!receipt) return new Unusable('no receipt')
    if (receipt.hashedAt < oldest) return new Unusable('a receipt that is older than the rule allows')
    if (receipt.rootDigest !== manifest.rootDigest) return new Unusable('a receipt for another manifest')
    // Revocations of files are checked by the digests that were computed when they were hashed.
    const unknown = contents.furtherHashTypes.filter((type) => !receipt.further?.hashTypes.includes(type))
    if (unknown.length > 0)
      return new Unusable(`a receipt without the digests (${unknown.join(', ')}) by which the policy revokes files`)
    const fault = receiptFault(receipt, now)
    const isSame = contents.listed.every((file) => isUnchanged(receipt, file))
    if (fault !== undefined) return new Unusable(fault, isSame && receipt.hashedAt <= now)
    return isSame ? receipt : new Unusable('a receipt, but files changed since it was stored')
  } catch (error) {
    if (error instanceof ModelSealError)
      return new Unusable(`no usable store of receipts: ${error.found ?? error.code}`)
    throw error
  }
}

/** @returns why no receipt was stored, as a phrase */
async function keepReceipt({
  source,
  signature: { bundleDigest, manifest },
  contents,
  startedAt: hashedAt,
}: WarmModel): Promise<string | undefined> {
  try {
    const { rootDigest } = manifest
    const model = { model: source.path, rootDigest, bundleDigest, hashedAt, files: contents.listed }
    const { receipt, leftOut } = makeReceipt({ ...model, further: furtherOf(contents) })
    if (!receipt) return leftOut
    await ReceiptStore.open().keep(receipt)
    return undefined
  } catch (error) {
    if (error instanceof ModelSealError) return error.found ?? error.code
    throw error
  }
}

function furtherOf(contents: Contents): RememberedDigests | undefined {
  const hashTypes = contents.furtherHashTypes
  if (hashTypes.length === 0) return undefined
  return { hashTypes, digests: new Map(contents.names.map((name) => [name, contents.furtherDigests(name)])) }
}
