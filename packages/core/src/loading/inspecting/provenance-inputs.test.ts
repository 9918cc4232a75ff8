import { expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { provenanceInputs } from './provenance-inputs.ts'

test('refuses a file that is missing, and one with something else', async () => {
  const directory = scratch({ 'claims.jsonl': 'nothing\n' })
  await expect(provenanceInputs(`${directory}/none.jsonl`)).rejects.toThrow(refusal('BUNDLE_NOT_FOUND'))
  await expect(provenanceInputs(`${directory}/claims.jsonl`)).rejects.toThrow(refusal('JSON_INVALID'))
})
