import { parseOwnBundle, type FoundBundle } from '../../bundle/bundle.ts'
import { isAttestation } from '../../bundle/claim.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { ClaimsCandidate, ModelFiles } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { nextTurn } from '../../source/aborted.ts'

/** A line of JSON with the longest statement, in base64, and its certificates. */
const MAX_LINE_BYTES = 8 * 1024 * 1024
/** Empty lines count: an interrupted writer leaves one now and then. */
const MAX_LINES = 100_000
const LINE_FEED = 0x0a

/** A model whose attestations are read. */
interface AttestedModel {
  files: ModelFiles
  /** Whether the manifest names a file of the model. */
  isSigned: (name: string) => boolean
}

/**
 * Reads all attestations of a model, wherever its source says that they are. Nothing about them is verified. One that cannot
 * be read is part of the result, with its error.
 *
 * @throws {@link ModelSealError} `ATTESTATIONS_TOO_MANY`, `ABORTED`, and what the source throws
 */
export async function readAttestationFiles(
  source: OpenedSource,
  { files, isSigned }: AttestedModel,
  signal: AbortSignal | undefined,
): Promise<FoundBundle[]> {
  const found: FoundBundle[] = []
  let room = Math.min(MAX_CLAIMS_BYTES, source.maxSearchBytes)
  const add = (one: FoundBundle, path: string) => {
    if (found.length === MAX_ATTESTATIONS) throw tooMany(path)
    found.push(one)
  }
  const read = async (place: ClaimsCandidate) => {
    const bytes = await bytesOf(source, place, room)
    if (!bytes) return
    if ('error' in bytes) {
      add(bytes, place.path)
      return
    }
    room -= bytes.length
    for await (const one of place.lines
      ? bundlesIn(bytes, place.path, signal)
      : [await parsed({ path: place.path, bytes }, signal)]) {
      if (place.mixed && !('bundle' in one && (await isAttestation(one.bundle, signal)))) continue
      add(one, place.path)
    }
  }
  for await (const place of source.claims(files))
    if (place.name === undefined || !isSigned(place.name)) await read(place)
  return found
}

/** The lines of a file of attestations. One that cannot be read is part of the result, with its error. */
export async function* bundlesIn(
  bytes: Buffer,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<FoundBundle> {
  for await (const line of linesOf(bytes, path, signal)) {
    const one = await parsed(line, signal)
    await nextTurn(signal)
    yield one
  }
}

/** Errors in a file itself. Any other error concerns its source. */
const OF_THE_FILE = /^(?:FILE|BUNDLE|ATTESTATIONS)_/

/** @returns undefined if there is no such file */
async function bytesOf(
  source: OpenedSource,
  place: ClaimsCandidate,
  maxBytes: number,
): Promise<Buffer | { path: string; error: ModelSealError } | undefined> {
  const { path } = place
  try {
    return await source.reader.read(
      `file of attestations ${shown(path)}`,
      (signal, receive) => place.read({ maxBytes, signal }, receive),
      async ({ size = 0, chunks }) => {
        if (size > maxBytes) throw tooLarge(path, maxBytes)
        const parts: Uint8Array[] = []
        let length = 0
        for await (const chunk of chunks) {
          length += chunk.length
          if (length > maxBytes) throw tooLarge(path, maxBytes)
          parts.push(chunk)
        }
        return Buffer.concat(parts)
      },
    )
  } catch (error) {
    if (!(error instanceof ModelSealError) || !OF_THE_FILE.test(error.code)) throw error
    return error.code === 'BUNDLE_NOT_FOUND' ? undefined : { path, error }
  }
}

interface Line {
  /** The path of the file and the number of the line. */
  path: string
  bytes: Buffer
}

/** Lines that are looked at in one turn of the event loop, and bytes of white space. */
const LINES_PER_TURN = 1_000
const SPACE = 0x20

/** The lines that are not empty. */
async function* linesOf(bytes: Buffer, path: string, signal: AbortSignal | undefined): AsyncGenerator<Line> {
  let number = 0
  for (let start = 0; start < bytes.length;) {
    number++
    const found = bytes.indexOf(LINE_FEED, start)
    const end = found < 0 ? bytes.length : found
    if (number % LINES_PER_TURN === 0) await nextTurn(signal)
    if (number > MAX_LINES) throw tooMany(path, `${MAX_LINES} lines`)
    if (!isBlank(bytes, start, Math.min(end, start + MAX_LINE_BYTES)))
      yield { path: `${path}:${number}`, bytes: bytes.subarray(start, end) }
    start = end + 1
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] ?? 0) > SPACE) return false
  return true
}

async function parsed({ path, bytes }: Line, signal: AbortSignal | undefined): Promise<FoundBundle> {
  try {
    if (bytes.length > MAX_LINE_BYTES) throw tooLarge(path, MAX_LINE_BYTES)
    return { path, bundle: await parseOwnBundle(bytes, path, signal), bytes }
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    return { path, error }
  }
}

function tooLarge(path: string, maxBytes: number): ModelSealError {
  return new ModelSealError(
    'ATTESTATIONS_TOO_LARGE',
    `Cannot read the attestations in ${shown(path)}: they are too large.`,
    {
      file: path,
      expected: `at most ${maxBytes} bytes`,
      hint: 'Remove those that are no longer needed.',
    },
  )
}

function tooMany(path: string, most = `${MAX_ATTESTATIONS}`): ModelSealError {
  return new ModelSealError('ATTESTATIONS_TOO_MANY', 'Cannot read the attestations of the model: there are too many.', {
    file: path,
    expected: `at most ${most}`,
    hint: 'Remove those that are no longer needed.',
  })
}
