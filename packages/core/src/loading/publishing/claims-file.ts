import { ModelSealError, shown } from '../../errors.ts'
import { CLAIMS_NAME, MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { Receive } from '../../source/model-source.ts'
import type { Publication } from './publication.ts'
import type { PublishedAttestation } from './published-attestations.ts'

/**
 * Reads the file of attestations that a place has; empty if it has none.
 *
 * @param read passes on its content, and does not call `receive` if there is no such file
 * @throws {@link ModelSealError} `ATTESTATIONS_TOO_LARGE`, and what `read` throws
 */
export async function readClaims(path: string, read: (receive: Receive) => Promise<void>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  await read(async ({ chunks }) => {
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

/** What can be published where attestations are a file of the model: if the model has a signed file with the name of the file of attestations, there is no place for attestations. */
export function publishableBeside(publication: Publication): Publication {
  const { manifest, attestations, leftOut } = publication
  if (!manifest.files.has(CLAIMS_NAME)) return publication
  const reason = `The signed model has a file named ${shown(CLAIMS_NAME)}, which belongs to the model.`
  return {
    ...publication,
    attestations: [],
    leftOut: [...leftOut, ...attestations.map(({ path }) => ({ path, reason }))],
  }
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
  return new ModelSealError('ATTESTATIONS_TOO_MANY', 'Cannot add attestations to the model: there would be too many.', {
    expected: `at most ${MAX_ATTESTATIONS}`,
    found: String(found),
    hint: HINT,
  })
}

const HINT = 'Remove attestations that are no longer needed from that file.'
