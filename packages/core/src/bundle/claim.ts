import { ModelSealError, shown } from '../errors.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { inTurns } from '../source/turns.ts'
import type { UnverifiedBundle } from './bundle.ts'
import { statementSteps } from './statement.ts'

/** The size of a statement of 20,000 files. */
const MAX_CLAIM_BYTES = 4 * 1024 * 1024
/** Enough for all resources that fit, with four values each. */
const MAX_CLAIM_VALUES = 200_000

/** The statement of an unverified bundle. It may decide where to look, and nothing else. */
type ClaimedStatement = Pick<Manifest, 'modelName' | 'rootDigest' | 'files'>

/**
 * Reads the statement of a bundle before its signature is verified. Yields to the event loop every few milliseconds. The result
 * is kept, so that the statement is not parsed again once the signature is verified.
 *
 * @throws {@link ModelSealError} `CLAIM_TOO_LARGE`, `ABORTED`, and what parsing a statement throws
 */
export async function claimedStatement(
  { envelope, path }: UnverifiedBundle,
  signal?: AbortSignal,
): Promise<ClaimedStatement> {
  const { payload } = envelope
  if (payload.length > MAX_CLAIM_BYTES) throw tooLarge(path, payload.length)
  return (await inTurns(statementSteps(payload, MAX_CLAIM_VALUES), signal)).manifest
}

/** Whether the statement of a bundle says that it is something other than the signature of a model. Otherwise, it counts as one. */
export async function isAttestation(bundle: UnverifiedBundle, signal?: AbortSignal): Promise<boolean> {
  try {
    await claimedStatement(bundle, signal)
    return false
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    return error.code === 'PREDICATE_TYPE'
  }
}

/** The subject name that a bundle claims, if its statement begins the way that modelseal and the reference tool write it. */
export function claimedName(payload: Uint8Array): string | undefined {
  const start = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, NAME_WITHIN)).toString()
  const name = SUBJECT.exec(start)?.[1]
  try {
    return name === undefined ? undefined : (JSON.parse(name) as string)
  } catch {
    return undefined
  }
}

/** Number of bytes in which the name must end. */
const NAME_WITHIN = 4096

const SUBJECT =
  /^\{"_type":\s?"https:\/\/in-toto\.io\/Statement\/v1",\s?"subject":\s?\[\{"name":\s?("(?:[^"\\]|\\.)*"),/

function tooLarge(file: string | undefined, found: number): ModelSealError {
  return new ModelSealError(
    'CLAIM_TOO_LARGE',
    `Cannot use the bundle${file === undefined ? '' : ` ${shown(file)}`} here: its statement is too large to read before its signature is verified.`,
    {
      file,
      expected: `at most ${MAX_CLAIM_BYTES} bytes`,
      found: `${found} bytes`,
      hint: 'Load the whole signed directory under a rule that matches its path, or sign the file on its own.',
    },
  )
}
