import { realpathSync } from 'node:fs'
import { attestationSteps } from '../../attestation/statement.ts'
import { parseOwnBundle } from '../../bundle/bundle.ts'
import { isAttestation } from '../../bundle/claim.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import { FEED_TYPE } from '../../policy/advisories/feed-type.ts'
import { MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { localPlace } from '../../source/local/local-source.ts'
import { READ_CLAIMS, readSmallFile } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'

/**
 * Checks the file to which an attestation is to be added: a new one, an empty one, or one of attestations. Anything else, such as a file
 * of the model, its signature or an advisory feed, would be spoilt. `attestModel()` does the same, but what is to be attested may take long to find out.
 *
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, and what reading the file throws
 * @example
 * ```ts
 * await checkAttestationOutput('vad.vsa.json')
 * ```
 */
export async function checkAttestationOutput(given: string): Promise<void> {
  const path = localPlace(given)
  const bytes = await contentOf(path)
  if (bytes === undefined || bytes.length === 0) return
  // A file with another name holds one attestation, and is read as one.
  if (path.endsWith('.jsonl') && (await isAboutAModel(firstLine(bytes)))) return
  throw new ModelSealError(
    'FILE_WRITE_FAILED',
    `Cannot add the attestation to ${shown(path)}: it would spoil the file.`,
    {
      file: path,
      expected: 'a new file, or a file of attestations whose name ends in .jsonl',
      found: path.endsWith('.jsonl') ? 'other content' : 'a file that exists',
      hint: 'Give the name of a new file, or of a .jsonl file of attestations.',
    },
  )
}

/** Signatures of models and advisory feeds are bundles, too. */
async function isAboutAModel(line: Buffer): Promise<boolean> {
  try {
    const bundle = await parseOwnBundle(line)
    const { predicateType } = await inTurns(attestationSteps(bundle.envelope.payload))
    return predicateType !== FEED_TYPE && (await isAttestation(bundle))
  } catch (error) {
    if (error instanceof ModelSealError) return false
    throw error
  }
}

/** Whether a load of the model looks for attestations in this file. */
export async function isReadByLoads(source: OpenedSource, files: ModelFiles, output: string): Promise<boolean> {
  const path = realPath(output)
  for await (const place of source.claims(files)) if (files.local && realPath(place.path) === path) return true
  return false
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** @returns undefined if there is no file that can be read */
export async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(path, { ...READ_CLAIMS, maxBytes: MAX_CLAIMS_BYTES })
  } catch (error) {
    // Whatever is no readable file cannot be written either, which is reported then.
    if (error instanceof ModelSealError && NOT_READ.has(error.code)) return undefined
    throw error
  }
}

const NOT_READ: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BUNDLE_NOT_FOUND', 'FILE_SPECIAL', 'FILE_UNREADABLE'])

/** With the white space before it. */
function firstLine(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte > 0x20)
  const end = bytes.indexOf('\n', Math.max(start, 0))
  return bytes.subarray(0, end < 0 ? bytes.length : end)
}
