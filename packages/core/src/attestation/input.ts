import { ModelSealError } from '../errors.ts'
import { parseStrictJson } from '../bundle/json.ts'
import { inexactNumberIn, MAX_STATEMENT_BYTES, MAX_VALUES } from './statement.ts'

/**
 * Reads a JSON file that an attestation is made from.
 *
 * @throws {@link ModelSealError} `JSON_*`; `ATTESTATION_INPUT` if it is too large, or a number in it has more digits than can be
 * compared
 */
export function readAttestationInput(bytes: Uint8Array, file?: string): unknown {
  checkInputSize(bytes, file)
  const json = parseStrictJson(bytes, { what: 'file of the attestation', file, maxValues: MAX_VALUES })
  const inexact = inexactNumberIn(bytes)
  if (inexact === undefined) return json
  throw new ModelSealError('ATTESTATION_INPUT', 'Cannot make an attestation: a number has too many digits.', {
    file,
    expected: 'numbers of at most 15 significant digits',
    found: inexact,
    hint: 'No program could compare this number exactly. Round it.',
  })
}

/** @throws {@link ModelSealError} `ATTESTATION_INPUT` */
export function checkInputSize({ length }: Uint8Array, file?: string): void {
  if (length <= MAX_STATEMENT_BYTES) return
  throw new ModelSealError('ATTESTATION_INPUT', 'Cannot make an attestation: the file is too large.', {
    file,
    expected: `at most ${MAX_STATEMENT_BYTES} bytes`,
    found: `${length} bytes`,
  })
}
