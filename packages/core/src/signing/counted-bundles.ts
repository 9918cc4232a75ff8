import { Manifest } from '../manifest/manifest.ts'
import { CLAIMS_NAME } from '../source/claims-name.ts'
import type { ModelToSign } from './models/model-to-sign.ts'

/** Signature bundles and attestations that were hashed as files of a model. */
export interface CountedBundles {
  /** Names of the bundles, and `claims.jsonl` if it has attestations, relative to the model. */
  names: readonly string[]
  /** Root digest of the model without them, SHA-256 in lowercase hex. Absent if the model has no other files. */
  rootDigest?: string
}

/** Maximum number of files to look at. A directory can have any number. */
const MAX_LOOKED_AT = 16

/**
 * Finds the bundles and attestations among the files of a model directory. A signature excludes them, so its root digest differs.
 */
export async function countedBundles(model: ModelToSign, manifest: Manifest): Promise<CountedBundles | undefined> {
  if (model.isFile) return undefined
  const candidates = [...manifest.fileNames()].filter((name) => /^[^/]+\.sig$/.test(name)).slice(0, MAX_LOOKED_AT)
  const names: string[] = []
  for (const name of candidates) if (await model.isBundle(name)) names.push(name)
  if (manifest.files.has(CLAIMS_NAME) && (await model.hasAttestations())) names.push(CLAIMS_NAME)
  if (names.length === 0) return undefined
  const { statedName, serialization, resources } = manifest
  const others = resources.filter(
    ({ name }) => !names.some((bundle) => name === bundle || name.startsWith(`${bundle}:`)),
  )
  return others.length === 0
    ? { names }
    : { names, rootDigest: new Manifest(statedName, serialization, others).rootDigest }
}
