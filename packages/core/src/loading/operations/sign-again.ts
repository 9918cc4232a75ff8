import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { readBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { elsewhere } from '../../hashing/elsewhere.ts'
import type { KnownDigests } from '../../manifest/build.ts'
import { isUnchanged, makeReceipt, receiptFault, type Receipt } from '../../receipts/receipt.ts'
import { ReceiptStore } from '../../receipts/store.ts'
import { path, required } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { absolutePath } from '../../absolute-path.ts'
import { SIGN_OPTIONS, signKnowing, type SignedModel, type SignOptions } from '../../signing/sign-model.ts'
import { openLocalSource, localPlace } from '../../source/local/local-source.ts'
import { readerFromHere } from '../../source/read-small-file.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { verifierCopy, verifyBundle, type Verifier } from './verifier.ts'

export interface SignAgainOptions extends SignOptions {
  /** The bundle whose digests are reused, and who must have signed it. Without it, everything is hashed. */
  previous?: { signature: string; verifier: Verifier } | undefined
}

/** What was signed, and how much of it was not hashed. */
export interface SignedAgain extends SignedModel {
  /** What was reused from the previous signature. `reason`: a phrase, present if nothing was reused. */
  reused: { files: number; bytes: number; reason?: string }
  /** Files in the receipt for next time. `reason`: a phrase, present if some files are not in it. */
  remembered: { files: number; reason?: string }
}

/**
 * Signs a model like `signModel`, but reuses digests from an earlier signature for files that did not change since,
 * according to a receipt of this user. The earlier signature is verified first. Everything else is hashed. A receipt is
 * stored for next time.
 *
 * See SECURITY.md, "Receipts", for what this trusts.
 *
 * @throws {@link ModelSealError} like `signModel`; and like `verifyModel`, if the previous signature is not by the
 * named signer
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'release.key' })
 * const previous = { signature: 'models/vad/model.sig', verifier: { publicKey: 'release.pub' } }
 * const { reused } = await signModelAgain('models/vad', { signer, previous })
 * ```
 */
export async function signModelAgain(model: string, given: SignAgainOptions): Promise<SignedAgain> {
  const { previous, ...options } = snapshot(given, OPTIONS, 'signModelAgain')
  const path = absolutePath(model)
  const startedAt = Date.now()
  const found = previous ? await findPrevious(path, previous, startedAt) : 'no previous signature was given'
  const known = typeof found === 'string' ? undefined : digestsOf(found)
  const signed = await signKnowing(path, options, known)
  const oldest = typeof found === 'string' || signed.built.known.files === 0 ? startedAt : found.receipt.hashedAt
  const remembered = await leaveReceipt(signed, oldest, startedAt)
  return {
    ...signed.signed,
    reused: { ...signed.built.known, ...(typeof found === 'string' ? { reason: found } : {}) },
    remembered,
  }
}

const PREVIOUS = { signature: required(path), verifier: required(verifierCopy) }

const OPTIONS: Shape<SignAgainOptions> = {
  ...SIGN_OPTIONS,
  previous: (value) => snapshot(value as object, PREVIOUS, 'a previous signature'),
}

interface Previous {
  signature: VerifiedSignature
  receipt: Receipt
}

/** A model that may be signed may be signed again, however many files it has. */
const ANY_SIZE = { maxBytes: LARGEST_BUNDLE_BYTES }

/** @returns a phrase with the reason if it cannot be used */
async function findPrevious(
  path: string,
  { signature: given, verifier }: { signature: string; verifier: Verifier },
  now: number,
): Promise<Previous | string> {
  const read = readerFromHere()
  const source = await openLocalSource(path)
  const signature = await verifyBundle(await readBundle(localPlace(given), ANY_SIZE), verifier, read)
  return usingStore(async (store) => {
    const receipt = await store.find(source.path, signature.bundleDigest)
    if (!receipt) return 'there is no receipt of the previous signature'
    const fault = receiptFault(receipt, now)
    return fault === undefined ? { signature, receipt } : `there is ${fault}`
  })
}

function digestsOf({ signature: { manifest }, receipt }: Previous): KnownDigests {
  const old = manifest.serialization
  return (file, { method, hashType, shardSize }) => {
    if (method !== old.method || hashType !== old.hashType || shardSize !== old.shardSize) return undefined
    return isUnchanged(receipt, file) ? manifest.files.get(file.name)?.digests : undefined
  }
}

async function leaveReceipt(
  { signed: { rootDigest, bundleDigest }, source, built: { listed } }: Awaited<ReturnType<typeof signKnowing>>,
  hashedAt: number,
  lastHashedAt: number,
): Promise<SignedAgain['remembered']> {
  // A receipt says that this user has hashed the files, on this machine.
  if (elsewhere()) return { files: 0, reason: 'the files were hashed elsewhere' }
  const times = { hashedAt, lastHashedAt }
  const model = { model: source.path, rootDigest, bundleDigest, ...times, files: listed, partial: true }
  const { receipt, leftOut } = makeReceipt(model)
  const unkept = receipt && (await usingStore((store) => store.keep(receipt)))
  const reason = unkept ?? leftOut
  return { files: unkept === undefined ? (receipt?.files.size ?? 0) : 0, ...(reason === undefined ? {} : { reason }) }
}

/** An unusable store only costs time. */
async function usingStore<T>(work: (store: ReceiptStore) => Promise<T>): Promise<T | string> {
  try {
    return await work(ReceiptStore.open())
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'RECEIPTS_UNUSABLE')
      return `the store of receipts cannot be used: ${error.found ?? ''}`
    throw error
  }
}
