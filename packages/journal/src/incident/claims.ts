import { provenanceInputs } from '@modelseal/core/attestation'
import type { Claims } from './derivation.ts'

/** The models that files of attestations say were made from others. Nothing of it is verified. */
export async function readClaims(files: readonly string[]): Promise<Claims> {
  const made = new Map<string, Set<string>>()
  for (const file of files) {
    for (const { inputs, subjects } of await provenanceInputs(file))
      for (const input of inputs) {
        const known = made.get(input) ?? new Set()
        made.set(input, known)
        for (const subject of subjects) known.add(subject)
      }
  }
  return made
}
