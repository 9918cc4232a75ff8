import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelSource } from '@modelseal/core'
import { readSmallFile } from '@modelseal/core/adapter'
import { isHttp } from './model-place.ts'
import { parseModelJson, type ModelFormat } from './model-json.ts'

/** Maximum number of bytes to read of an unverified file. */
const MAX_CLAIM_BYTES = 4 * 1024 * 1024

/**
 * The format that a model claims before it is verified. Used only if rules of the policy differ by format. The rule that it
 * selects is enforced, and the verified `model.json` must have that format. Undefined if the format cannot be determined yet,
 * for whatever reason.
 */
export async function claimedFormat(path: string | ModelSource): Promise<ModelFormat | undefined> {
  // Nothing is fetched before the policy permits it.
  if (typeof path !== 'string' || isHttp(path)) return undefined
  try {
    const file = (await stat(path)).isDirectory() ? join(path, 'model.json') : path
    const bytes = await readSmallFile(file, { what: 'model file', maxBytes: MAX_CLAIM_BYTES })
    return (await parseModelJson(bytes, file)).format
  } catch {
    return undefined
  }
}
