import { writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeAttestation } from '../../attestation/making.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel, type AttestOptions } from './attest-model.ts'

const FILES = { 'train.csv': 'train', 'sub dir/test.csv': 'test' }
const OTHER = 'f'.repeat(64)

let site: TestSite
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())
beforeEach(() => {
  name = `d${++count}`
})

function croissant(stated: Readonly<Record<string, string>>): Buffer {
  const distribution = Object.entries(stated).map(([contentUrl, digest]) => ({
    '@type': 'cr:FileObject',
    contentUrl,
    sha256: digest,
  }))
  const conformsTo = 'http://mlcommons.org/croissant/1.0'
  return Buffer.from(
    JSON.stringify({ '@context': {}, '@type': 'sc:Dataset', name: 'voices', conformsTo, distribution }),
  )
}

async function signed(signing: object) {
  await site.model(name, FILES)
  await site.sign(name, 'a', undefined, signing)
}

async function attest(bytes: Buffer, options: Partial<AttestOptions> = {}, model = site.file(name)) {
  const from = { bytes, file: 'croissant.json' }
  const predicate = await makeAttestation('data-card', { ...from, name: 'x' })
  const signer = await keySigner({ privateKey: site.file('a.key') })
  return attestModel(model, { signer, type: 'data-card', predicate, from, ...options })
}

const RIGHT = { 'train.csv': sha256('train').toUpperCase(), 'sub%20dir/test.csv': sha256('test') }

describe.each([
  ['as whole files', {}],
  ['in shards', { shardSize: 2 }],
  ['by BLAKE2b', { hashType: 'blake2b' }],
])('a data card of a dataset that is signed %s', (_, signing) => {
  test('is signed if the digests in the Croissant document are those of the signed files', async () => {
    await signed(signing)
    expect(await attest(croissant(RIGHT))).toMatchObject({ added: true, compared: 2, checked: { files: 2, bytes: 9 } })
    expect(await attest(croissant({}))).not.toHaveProperty('compared')
    expect(await attest(croissant({ 'https://data.example/train.csv': OTHER }))).toMatchObject({ compared: 0 })
    await site.write(`${name}/train.csv`, 'TRAIN')
    await expect(attest(croissant(RIGHT))).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('is refused if a digest differs, or a file was not signed, and names both', async () => {
    await signed(signing)
    const stated = { ...RIGHT, 'train.csv': OTHER, 'gone.csv': OTHER }
    await expect(attest(croissant(stated))).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'croissant.json',
        expected: `sha256:${sha256('train')} for "train.csv", as signed`,
        found: `"${OTHER}"`,
        message: expect.stringContaining(
          'Cannot make a card from "croissant.json": it states another SHA-256 than that of the signed content of "train.csv"; it describes "gone.csv", but no such content was signed.',
        ) as string,
      }),
    )
    await expect(readFile(site.file(`${name}.claims.jsonl`))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('only what is wrong is reported, about the document that was given', async () => {
  await signed({})
  const saying = (text: string) => refusal('ATTESTATION_INPUT', { message: expect.stringContaining(text) as string })
  const differing = { ...RIGHT, 'train.csv': OTHER }
  await expect(attest(croissant(differing))).rejects.toEqual(saying('signed content of "train.csv". Expected'))
  const gone = attest(croissant({ ...RIGHT, 'gone.csv': OTHER }))
  await expect(gone).rejects.toEqual(
    saying('from "croissant.json": it describes "gone.csv", but no such content was signed. Correct "croissant.json"'),
  )
  const from = { bytes: croissant(differing) }
  await expect(attest(croissant(differing), { from })).rejects.toEqual(
    refusal('ATTESTATION_INPUT', { file: undefined, hint: expect.stringContaining('Correct the document') as string }),
  )
})

test('without hashing, only digests that the signature has can be compared', async () => {
  await signed({})
  expect(await attest(croissant(RIGHT), { check: false })).toMatchObject({ compared: 2 })
  await expect(attest(croissant({ ...RIGHT, 'train.csv': OTHER }), { check: false })).rejects.toEqual(
    refusal('ATTESTATION_INPUT'),
  )
  await rm(site.file(`${name}.claims.jsonl`))
  for (const [signing, found] of [
    [{ shardSize: 2 }, 'digests of shards'],
    [{ hashType: 'blake2b' }, 'blake2b'],
  ] as const) {
    await site.sign(name, 'a', undefined, signing)
    const elsewhere = croissant({ 'https://data.example/train.csv': OTHER })
    expect(await attest(elsewhere, { check: false })).toMatchObject({ compared: 0 })
    await expect(attest(croissant(RIGHT), { check: false })).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'croissant.json',
        expected: 'SHA-256 digests of whole files in the signature, or files that may be hashed',
        found,
      }),
    )
  }
})

test('a dataset of one file is compared by the name under which it was signed', async () => {
  writeFileSync(site.file('train.csv'), 'train')
  await site.sign('train.csv', 'a')
  const path = site.file('train.csv')
  expect(await attest(croissant({ 'train.csv': sha256('train') }), {}, path)).toMatchObject({ compared: 1 })
  await expect(attest(croissant({ 'train.csv': OTHER }), {}, path)).rejects.toEqual(refusal('ATTESTATION_INPUT'))
  await expect(attest(croissant({ 'other.csv': OTHER }), {}, path)).rejects.toEqual(refusal('ATTESTATION_INPUT'))
})

test('what a card was made from is read as strictly as by makeAttestation()', async () => {
  await signed({})
  const predicate = await makeAttestation('data-card', { bytes: croissant({}), name: 'x' })
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const attesting = (from: unknown) =>
    attestModel(site.file(name), { signer, type: 'data-card', predicate, from: from as never })
  await expect(attesting({ bytes: Buffer.from('{') })).rejects.toEqual(refusal('JSON_INVALID'))
  await expect(attesting({ bytes: Buffer.from('{"a":1,"a":1}') })).rejects.toEqual(refusal('JSON_DUPLICATE_KEY'))
  await expect(attesting({ bytes: Buffer.alloc(4 * 1024 * 1024 + 1, '{') })).rejects.toEqual(
    refusal('ATTESTATION_INPUT'),
  )
  for (const from of ['croissant.json', {}, { bytes: 'text' }])
    await expect(attesting(from)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  expect(await attesting({ bytes: Buffer.from('---\nlicense: mit\n---\n') })).not.toHaveProperty('compared')
})
