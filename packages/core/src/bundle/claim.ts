import { ModelSealError, shown } from '../errors.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { inTurns } from '../source/turns.ts'
import type { UnverifiedBundle } from './bundle.ts'
import { statementSteps } from './statement.ts'

/** A statement of 20,000 files takes as much. */
export const MAX_CLAIM_BYTES = 4 * 1024 * 1024
/** As many resources of four values each as fit, and some more. */
const MAX_CLAIM_VALUES = 200_000

/**
 * Reads the statement of a bundle that nobody has verified: a claim, which may choose where to look, and nothing else. Other
 * work of the process runs every few milliseconds.
 *
 * @throws {@link ModelSealError} `CLAIM_TOO_LARGE`, `ABORTED`, and what parsing a statement throws
 */
export async function claimedManifest({ envelope, path }: UnverifiedBundle, signal?: AbortSignal): Promise<Manifest> {
  const { payload } = envelope
  if (payload.length > MAX_CLAIM_BYTES) throw tooLarge(path, payload.length)
  return (await inTurns(statementSteps(payload, MAX_CLAIM_VALUES), signal)).manifest
}

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
