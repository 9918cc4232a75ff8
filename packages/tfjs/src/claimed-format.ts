import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readSmallFile, type ModelSource } from '@modelseal/core'
import { isHttp } from './model-place.ts'
import { parseModelJson, type ModelFormat } from './model-json.ts'

/** Of what nobody has verified, no more is read. */
const MAX_CLAIM_BYTES = 4 * 1024 * 1024

/**
 * The format that a model claims before it is verified. Asked only where rules of the policy differ by it; the rule that it
 * picks is enforced, and the verified `model.json` must turn out to be of that format. Undefined where nothing can be told
 * yet, whatever the reason.
 */
export async function claimedFormat(path: string | ModelSource): Promise<ModelFormat | undefined> {
  // Nothing is fetched before a policy has been asked.
  if (typeof path !== 'string' || isHttp(path)) return undefined
  try {
    const file = (await stat(path)).isDirectory() ? join(path, 'model.json') : path
    const bytes = await readSmallFile(file, { what: 'model file', maxBytes: MAX_CLAIM_BYTES })
    return (await parseModelJson(bytes, file)).format
  } catch {
    return undefined
  }
}
