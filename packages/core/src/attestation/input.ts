import { ModelSealError, shown } from '../errors.ts'
import { atOnce } from '../source/turns.ts'
import { parseStrictJson } from '../bundle/json.ts'
import { readSmallFile } from '../source/read-small-file.ts'
import { inexactNumberSteps, MAX_STATEMENT_BYTES, MAX_VALUES } from './statement.ts'

/**
 * Reads a file that an attestation is made from, for `makeAttestation()`.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_SPECIAL`, `FILE_UNREADABLE`, `ATTESTATION_INPUT` for a file of more than 4 MiB
 * @example
 * ```ts
 * const file = await readAttestationFile('models/vad/README.md')
 * const predicate = await makeAttestation('model-card', { ...file, name: 'vad' })
 * ```
 */
export async function readAttestationFile(path: string): Promise<{ bytes: Uint8Array; file: string }> {
  const file = {
    what: 'input file',
    hint: 'Give the path of the file to make the attestation from.',
    maxBytes: MAX_STATEMENT_BYTES,
    tooLarge: 'ATTESTATION_INPUT',
  } as const
  return { bytes: await readSmallFile(path, file), file: path }
}

/**
 * Parses a JSON file that an attestation is made from.
 *
 * @throws {@link ModelSealError} `JSON_*`; `ATTESTATION_INPUT` if it is too large, or if a number in it has more digits than can
 * be compared
 */
export function readAttestationInput(bytes: Uint8Array, file?: string): unknown {
  checkInputSize(bytes, file)
  const what = `input file${file === undefined ? '' : ` ${shown(file)}`}`
  const json = parseStrictJson(bytes, { what, file, maxValues: MAX_VALUES })
  const inexact = atOnce(inexactNumberSteps(bytes))
  if (inexact === undefined) return json
  throw new ModelSealError(
    'ATTESTATION_INPUT',
    `${cannotMake('an attestation', file)}: a number has too many digits.`,
    {
      file,
      expected: 'numbers of at most 15 significant digits',
      found: inexact,
      hint: 'No program could compare this number exactly. Round it.',
    },
  )
}

const OPEN_BRACE = 0x7b

/** No text with front matter begins with a brace. */
export function isJson(bytes: Uint8Array): boolean {
  return bytes[bytes.findIndex((byte) => byte > 0x20)] === OPEN_BRACE
}

/** @throws {@link ModelSealError} `ATTESTATION_INPUT` */
export function checkInputSize({ length }: Uint8Array, file?: string): void {
  if (length <= MAX_STATEMENT_BYTES) return
  throw new ModelSealError('ATTESTATION_INPUT', `${cannotMake('an attestation', file)}: the file is too large.`, {
    file,
    expected: `at most ${MAX_STATEMENT_BYTES} bytes`,
    found: `${length} bytes`,
  })
}

/** How a refusal to make something of a file begins. */
export function cannotMake(what: string, file: string | undefined): string {
  return `Cannot make ${what}${file === undefined ? '' : ` from ${shown(file)}`}`
}
