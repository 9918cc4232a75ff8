import { expect, test } from 'vitest'
import { bundleOver, encoded, keyPair, statementOver } from '../testing/bundles.ts'
import { areAttestations } from './attestations-inside.ts'

const oneLine = (payload: object) => JSON.stringify(JSON.parse(bundleOver(encoded(payload), keyPair()).toString()))
const attestation = oneLine({ predicateType: 'https://example.org/review/v1' })
const signature = oneLine(statementOver({ 'a.bin': 'a' }) as object)
const unreadable = oneLine({})

test.each([
  ['an attestation', attestation, true],
  ['several, with empty lines', `\n${attestation}\r\n\n${attestation}\n`, true],
  ['nothing', '', false],
  ['empty lines', '\n \n', false],
  ['the signature of a model', signature, false],
  ['an attestation and the signature of a model', `${attestation}\n${signature}\n`, false],
  ['a statement that cannot be read', unreadable, false],
  ['other content after an attestation', `${attestation}\n{}\n`, false],
])('a file with %s', async (_, content, expected) => {
  expect(await areAttestations(Buffer.from(content))).toBe(expected)
})
