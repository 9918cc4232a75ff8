import { attestationSteps, isAbout, type ModelSubject } from '../../attestation/statement.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { READ_CLAIMS, readSmallFile } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'
import { inOneLine } from '../attestations/one-line.ts'
import { bundlesIn, readAttestationFiles } from '../attestations/read-attestations.ts'

/** The accepted model whose attestations are saved. */
interface AttestedModel {
  readonly files: ModelFiles
  readonly manifest: Manifest
  /** Whether its rule requires attestations, so that a load of the saved model needs them. */
  readonly isRequired: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * Reads the attestations about a model, and returns a file with each as one line. Nothing about them is verified: the next load judges them.
 *
 * @param there path of a file of attestations, if there is one: those about the model come first, since its user may have added them
 * @throws {@link ModelSealError} `ABORTED`; what reading the file throws; `ATTESTATIONS_TOO_MANY`, `ATTESTATIONS_TOO_LARGE` if
 * both together are more than a load reads; if attestations are required, what reading those of the source throws
 */
export async function attestationsToSave(
  source: OpenedSource,
  { files, manifest, isRequired, signal }: AttestedModel,
  there?: string,
): Promise<Buffer> {
  const model = { rootDigest: manifest.rootDigest, identity: modelIdentity(manifest) }
  const kept = new Set(there === undefined ? [] : await linesAbout(model, bundlesAt(there, signal), signal))
  const lines = new Set(kept)
  try {
    const isSigned = (name: string) => manifest.files.has(name)
    const found = await readAttestationFiles(source, { files, isSigned }, signal)
    for (const line of await linesAbout(model, found, signal)) lines.add(line)
  } catch (error) {
    if (isRequired) throw error
    unlessAborted(error)
  }
  const bytes = Buffer.from([...lines].map((line) => `${line}\n`).join(''), 'latin1')
  if (there !== undefined && kept.size > 0) checkLimits(there, lines.size, bytes.length)
  return bytes
}

/** The attestations in a file, if it is there. */
async function* bundlesAt(path: string, signal: AbortSignal | undefined): AsyncGenerator<FoundBundle> {
  let bytes: Buffer
  try {
    bytes = await readSmallFile(path, { ...READ_CLAIMS, maxBytes: MAX_CLAIMS_BYTES })
  } catch (error) {
    if (error instanceof ModelSealError && NO_FILE.has(error.code)) return
    throw error
  }
  yield* bundlesIn(bytes, path, signal)
}

/** A directory of this name is content of a model. */
const NO_FILE: ReadonlySet<string> = new Set(['BUNDLE_NOT_FOUND', 'FILE_SPECIAL'])

/** One line for each attestation about a model, as latin1. */
async function linesAbout(
  model: ModelSubject,
  bundles: Iterable<FoundBundle> | AsyncIterable<FoundBundle>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const lines: string[] = []
  for await (const found of bundles) {
    if (!('bundle' in found) || !found.bytes) continue
    const statement = await inTurns(attestationSteps(found.bundle.envelope.payload), signal).catch(unlessAborted)
    if (statement && isAbout(statement, model)) lines.push(inOneLine(found.bytes).toString('latin1'))
  }
  return lines
}

function unlessAborted(error: unknown): undefined {
  if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
}

function checkLimits(path: string, count: number, bytes: number): void {
  const cannot = `Cannot add the attestations of the model to those in ${shown(path)}`
  const hint = 'Remove those that are no longer needed from this file.'
  if (count > MAX_ATTESTATIONS)
    throw new ModelSealError('ATTESTATIONS_TOO_MANY', `${cannot}: there would be too many.`, {
      file: path,
      expected: `at most ${MAX_ATTESTATIONS}`,
      found: String(count),
      hint,
    })
  if (bytes > MAX_CLAIMS_BYTES)
    throw new ModelSealError('ATTESTATIONS_TOO_LARGE', `${cannot}: they would be too large.`, {
      file: path,
      expected: `at most ${MAX_CLAIMS_BYTES} bytes`,
      found: `${bytes} bytes`,
      hint,
    })
}
