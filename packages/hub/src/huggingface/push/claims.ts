import { ModelSealError, shown } from '@modelseal/core/errors'
import type { PublishedAttestation } from '@modelseal/core/publishing'
import { CLAIMS_NAME, MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '@modelseal/core/source'
import type { HubRepository } from '../hub-repository.ts'

/**
 * Reads the file of attestations of a repository.
 *
 * @throws {@link ModelSealError} `ATTESTATIONS_TOO_LARGE`, and what the client throws
 */
export async function readClaims(
  repository: HubRepository,
  path: string,
  signal = new AbortController().signal,
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  await repository.read({ path, what: 'file of attestations', signal }, async ({ chunks }) => {
    let length = 0
    for await (const chunk of chunks) {
      length += chunk.length
      if (length > MAX_CLAIMS_BYTES) throw tooLarge(path)
      pieces.push(Uint8Array.from(chunk))
    }
  })
  return Buffer.concat(pieces)
}

/**
 * Adds attestations to those that are there, all of which are kept.
 *
 * @returns undefined if all of them are there already
 * @throws {@link ModelSealError} `ATTESTATIONS_TOO_LARGE`, `ATTESTATIONS_TOO_MANY`, because a load would refuse them
 */
export function withClaims(there: Buffer | undefined, added: readonly PublishedAttestation[]): Buffer | undefined {
  const before = there ?? Buffer.alloc(0)
  const lines = linesOf(before)
  const known = new Set(lines)
  const missing = added.map(({ bytes }) => bytes).filter((bytes) => !known.has(bytes.toString('latin1')))
  if (missing.length === 0) return undefined
  const count = lines.length + missing.length
  if (count > MAX_ATTESTATIONS) throw tooMany(count)
  // The last line may lack its line feed.
  const end = Buffer.from(before.length > 0 && !before.toString('latin1').endsWith('\n') ? '\n' : '')
  const merged = Buffer.concat([before, end, ...missing.flatMap((bytes) => [bytes, Buffer.from('\n')])])
  if (merged.length > MAX_CLAIMS_BYTES) throw tooLarge(CLAIMS_NAME)
  return merged
}

function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString('latin1').split('\n')
  return lines.map((line) => line.trim()).filter((line) => line !== '')
}

function tooLarge(path: string): ModelSealError {
  return new ModelSealError(
    'ATTESTATIONS_TOO_LARGE',
    `Cannot add attestations to ${shown(path)}: it would be too large.`,
    {
      file: path,
      expected: `at most ${MAX_CLAIMS_BYTES} bytes`,
      hint: HINT,
    },
  )
}

function tooMany(found: number): ModelSealError {
  return new ModelSealError(
    'ATTESTATIONS_TOO_MANY',
    'Cannot add attestations to the repository: there would be too many.',
    {
      expected: `at most ${MAX_ATTESTATIONS}`,
      found: String(found),
      hint: HINT,
    },
  )
}

const HINT = 'Remove attestations that are no longer needed from the repository.'
