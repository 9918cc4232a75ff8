import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localModelSource } from '../../source/local/local-model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkAttestationOutput, contentOf, isReadByLoads } from './attestation-output.ts'

const oneLine = (payload: object) =>
  `${JSON.stringify(JSON.parse(bundleOver(encoded(payload), keyPair()).toString()))}\n`
const statementOf = (predicateType: string) => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ digest: { sha256: 'a'.repeat(64) } }],
  predicateType,
  predicate: {},
})
const attestation = oneLine(statementOf('https://example.org/review/v1'))

const checked = (name: string, content: string | Uint8Array) =>
  checkAttestationOutput(join(scratch({ [name]: content }), name))
const expected = 'a new file, or a file of attestations whose name ends in .jsonl'

describe('an attestation is added to', () => {
  test.each([
    ['an empty file', ''],
    ['a file of attestations', attestation],
    ['one without a line break', attestation.trimEnd()],
    ['one that begins with white space', ` \r\n\t${attestation}`],
    ['one whose other lines are something else', `${attestation}junk\n`],
  ])('%s', async (_, content) => {
    await checked('claims.jsonl', content)
  })

  test('a file that does not exist', async () => {
    await checkAttestationOutput(join(scratch(), 'claims.jsonl'))
    await checkAttestationOutput(join(scratch(), 'no', 'such', 'directory'))
  })
})

describe('an attestation is not added to', () => {
  test.each([
    ['other content', '{}\n'],
    ['white space', ' \n'],
    ['a line break', '\n'],
    ['the signature of a model', oneLine(statementOver({ 'a.bin': 'a' }) as object)],
    ['the signature of a model by a release before 1.0', oneLine(statementOf('https://model_signing/Digests/v0.1'))],
    ['a bundle over a statement that cannot be read', oneLine({ predicateType: 'https://example.org/review/v1' })],
    ['an advisory feed', oneLine(statementOf('urn:modelseal:advisory-feed:0.1'))],
    ['other content before an attestation', `{}\n${attestation}`],
  ])('%s', async (_, content) => {
    await expect(checked('claims.jsonl', content)).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', {
        file: expect.stringMatching(/claims\.jsonl$/) as string,
        expected,
        found: 'other content',
      }),
    )
  })

  test.each(['claims.json', 'claims.jsonl.bak', 'jsonl'])(
    'an attestation in a file with another name: %s',
    async (name) => {
      await expect(checked(name, attestation)).rejects.toEqual(
        refusal('FILE_WRITE_FAILED', { expected, found: 'a file that exists' }),
      )
      await checked(name, '')
    },
  )

  test('a file that is too large to be read', async () => {
    await expect(checked('claims.jsonl', Buffer.alloc(64 * 1024 * 1024 + 1))).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_LARGE'),
    )
  })
})

test('what is no readable file has no content', async () => {
  const directory = scratch({ 'a.jsonl': 'text' })
  mkdirSync(join(directory, 'directory'))
  symlinkSync('nowhere', join(directory, 'link'))
  expect(await contentOf(join(directory, 'a.jsonl'))).toEqual(Buffer.from('text'))
  for (const name of ['directory', 'link', 'none']) expect(await contentOf(join(directory, name))).toBeUndefined()
})

test('loads read a file beside the model, by whatever path it is named', async () => {
  const directory = scratch({ 'm/weights.bin': 'x', 'm.claims.jsonl': '', 'other.jsonl': '' })
  symlinkSync('m.claims.jsonl', join(directory, 'link.jsonl'))
  const opened = await OpenedSource.open(localModelSource(join(directory, 'm')), { signal: undefined })
  const files = await opened.model()
  const isRead = (name: string) => isReadByLoads(opened, files, join(directory, name))
  expect(await Promise.all(['m.claims.jsonl', 'link.jsonl', 'other.jsonl', 'none.jsonl'].map(isRead))).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(await isReadByLoads(opened, { ...files, local: undefined }, join(directory, 'm.claims.jsonl'))).toBe(false)
  await opened.close()
})
