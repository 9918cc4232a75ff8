import type { BigIntStats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { LARGEST_BUNDLE_BYTES, type UnverifiedBundle } from '../bundle/bundle.ts'
import { claimedName } from '../bundle/claim.ts'
import type { ClaimedSigner } from '../bundle/materials/material.ts'
import { claimedSigner } from '../bundle/materials/materials.ts'
import { readBundle } from '../bundle/read-bundle.ts'
import { statementSteps } from '../bundle/statement.ts'
import { ModelSealError, shown } from '../errors.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { isOfOtherModel } from '../manifest/mismatch.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { inTurns } from '../source/turns.ts'
import type { ModelToSign } from './models/model-to-sign.ts'

/**
 * The bundle that a new signature would replace. The only copy of another model's signature must not be lost to a path that two
 * models share. Another model has another subject name and no file in common.
 */
export class ReplacedBundle {
  readonly #path: string
  #last: { state: BigIntStats; claim: Claim } | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Refuses to replace the bundle of another model. This is called before anything is hashed, so it compares names alone.
   *
   * @throws {@link ModelSealError} `SIGNATURE_EXISTS`
   */
  async refuseOtherModel(model: ModelToSign, serialization: Serialization): Promise<void> {
    const there = await this.#otherClaim(model.name)
    if (!there) return
    const names = await model.fileNames(serialization)
    if (isOfOtherModel(there, model.name, names)) throw ofAnotherModel(this.#path, there.modelName, model.name)
  }

  /**
   * Does the same for a model that was hashed: two models may both have a `config.json`.
   *
   * @throws {@link ModelSealError} `SIGNATURE_EXISTS`
   */
  async refuseOtherManifest(manifest: Manifest): Promise<void> {
    const there = await this.#otherClaim(manifest.modelName)
    if (there && !sharesFile(there, manifest)) throw ofAnotherModel(this.#path, there.modelName, manifest.modelName)
  }

  /**
   * The claimed signer of the bundle that was last looked at.
   *
   * @returns undefined if there is none, or if the given signer also signed it
   */
  async otherSigner(
    signer: Pick<ClaimedSigner, 'fingerprint' | 'identity'> | undefined,
  ): Promise<ClaimedSigner | undefined> {
    if (!this.#last || !signer) return undefined
    const there = await claimedSigner(this.#last.claim.bundle.material)
    if (!there || there.fingerprint === signer.fingerprint) return undefined
    // Each keyless signature has a certificate of its own.
    return there.identity !== undefined && there.identity === signer.identity ? undefined : there
  }

  /** The manifest that the bundle claims; undefined if there is no bundle to replace, or if its subject has this name. */
  async #otherClaim(modelName: string): Promise<Manifest | undefined> {
    const state = await lstat(this.#path, { bigint: true }).catch(() => undefined)
    // A link is replaced, and its target stays. mktemp creates empty files.
    if (!state || state.isSymbolicLink() || state.size === 0n) {
      this.#last = undefined
      return undefined
    }
    const claim = this.#last && sameState(this.#last.state, state) ? this.#last.claim : await claimOf(this.#path)
    this.#last = { state, claim }
    return claim.modelName === modelName ? undefined : await claim.manifest()
  }
}

interface Claim {
  modelName: string
  bundle: UnverifiedBundle
  manifest(): Promise<Manifest>
}

/** Signing again replaces the bundle of the same model, so the files of a long statement are read only for another name. */
async function claimOf(path: string): Promise<Claim> {
  const bundle = await asReplaceable(path, readBundle(path, { maxBytes: LARGEST_BUNDLE_BYTES }))
  const { envelope } = bundle
  const modelName = claimedName(envelope.payload)
  if (modelName === undefined) {
    const manifest = await asReplaceable(path, manifestOf(envelope.payload))
    return { bundle, modelName: manifest.modelName, manifest: () => Promise.resolve(manifest) }
  }
  let manifest: Promise<Manifest> | undefined
  return { bundle, modelName, manifest: () => (manifest ??= asReplaceable(path, manifestOf(envelope.payload))) }
}

async function manifestOf(payload: Uint8Array): Promise<Manifest> {
  return (await inTurns(statementSteps(payload))).manifest
}

function sameState(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}

/** By content if both were hashed in the same way, otherwise by name. */
function sharesFile(there: Manifest, manifest: Manifest): boolean {
  const [a, b] = [there.serialization, manifest.serialization]
  if (a.method !== b.method || a.hashType !== b.hashType || a.shardSize !== b.shardSize)
    return [...manifest.files.keys()].some((name) => there.files.has(name))
  const digests = new Set(there.resources.map(({ digest }) => digest))
  return manifest.resources.some(({ digest }) => digests.has(digest))
}

/** A file that cannot be read as the signature of a model is not replaced either. */
async function asReplaceable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (!(cause instanceof ModelSealError)) throw cause
    throw new ModelSealError(
      'SIGNATURE_EXISTS',
      `Cannot write the signature to ${shown(path)}: the file there is not the signature of a model, or cannot be read.`,
      { file: path, hint: HINT, cause },
    )
  }
}

const HINT =
  'Use another path for this signature (--signature). To replace the file, use --force on the command line, or { overwrite: "always" } in a program.'

function ofAnotherModel(path: string, found: string, expected: string): ModelSealError {
  return new ModelSealError(
    'SIGNATURE_EXISTS',
    `Cannot write the signature to ${shown(path)}: it would replace the signature of another model.`,
    { file: path, expected: `a signature of ${shown(expected)}`, found: `one of ${shown(found)}`, hint: HINT },
  )
}
