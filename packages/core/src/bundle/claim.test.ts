import { describe, expect, test } from 'vitest'
import { bundleOver, encoded, keyPair, statementOver, type LooseJson } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { parseBundle, type UnverifiedBundle } from './bundle.ts'
import { claimedName, claimedStatement, isAttestation } from './claim.ts'

const LARGEST = 4 * 1024 * 1024
const keys = keyPair()

function bundleWith(payload: Buffer, path?: string): UnverifiedBundle {
  return parseBundle(bundleOver(payload, keys), path)
}

const statement = (change: (statement: LooseJson) => void = () => {}) => {
  const json = statementOver({ 'a.bin': 'a' })
  change(json)
  return encoded(json)
}
const padded = (size: number, payload = statement()) =>
  Buffer.concat([payload, Buffer.alloc(size - payload.length, ' ')])

describe('the claimed statement', () => {
  test('is what the bundle says', async () => {
    const { modelName, files, rootDigest } = await claimedStatement(bundleWith(statement()))
    expect(modelName).toBe('model')
    expect([...files.keys()]).toEqual(['a.bin'])
    expect(rootDigest).toBe(statementOver({ 'a.bin': 'a' }).subject[0].digest.sha256)
  })

  test('is read once, unless its bytes change', async () => {
    const bundle = bundleWith(statement())
    const claim = await claimedStatement(bundle)
    expect(await claimedStatement(bundle)).toBe(claim)
    bundle.envelope.payload.write('7', bundle.envelope.payload.lastIndexOf('in-toto'))
    await expect(claimedStatement(bundle)).rejects.toEqual(refusal('STATEMENT_TYPE'))
  })

  test('is refused if it is longer than 4 MiB', async () => {
    expect((await claimedStatement(bundleWith(padded(LARGEST)))).modelName).toBe('model')
    const details = { expected: 'at most 4194304 bytes', found: '4194305 bytes' }
    const nameless = claimedStatement(bundleWith(padded(LARGEST + 1)))
    await expect(nameless).rejects.toEqual(
      refusal('CLAIM_TOO_LARGE', {
        ...details,
        file: undefined,
        message: expect.stringContaining('Cannot use the bundle here: its statement') as string,
      }),
    )
    const named = claimedStatement(bundleWith(padded(LARGEST + 1), 'model.sig'))
    await expect(named).rejects.toEqual(
      refusal('CLAIM_TOO_LARGE', {
        ...details,
        file: 'model.sig',
        message: expect.stringContaining('Cannot use the bundle "model.sig" here: its statement') as string,
      }),
    )
  })

  test('is refused if it has more values than resources could have in 4 MiB', async () => {
    const many = Buffer.from(`[${'0,'.repeat(200_000)}0]`)
    await expect(claimedStatement(bundleWith(many))).rejects.toEqual(
      refusal('JSON_TOO_COMPLEX', { found: 'more than 200000 values' }),
    )
  })

  test('is not read after the load was aborted', async () => {
    await expect(claimedStatement(bundleWith(padded(LARGEST)), AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('a bundle', () => {
  const other = statement((s) => (s.predicateType = 'https://slsa.dev/provenance/v1'))

  test.each<[string, Buffer, boolean]>([
    ['whose statement is about a model is not an attestation', statement(), false],
    ['with another predicate is one', other, true],
    ['with an invalid statement is not', statement((s) => (s.subject = [])), false],
    ['whose payload is not JSON is not', Buffer.from('x'), false],
  ])('%s', async (_, payload, expected) => {
    expect(await isAttestation(bundleWith(payload))).toBe(expected)
  })

  test('is neither if the load is aborted or the code fails', async () => {
    await expect(isAttestation(bundleWith(padded(LARGEST, other)), AbortSignal.abort())).rejects.toEqual(
      refusal('ABORTED'),
    )
    await expect(isAttestation({} as UnverifiedBundle)).rejects.toBeInstanceOf(TypeError)
  })
})

describe('the claimed name', () => {
  const start = (name: string, space = '') =>
    `{"_type":${space}"https://in-toto.io/Statement/v1",${space}"subject":${space}[{"name":${space}${name},`
  const longest = 'n'.repeat(4096 - start('""').length)
  const nameOf = (text: string) => claimedName(Buffer.from(text))

  test.each([
    ['as modelseal writes it', start('"vad"'), 'vad'],
    ['as the reference tool writes it', start('"vad"', ' '), 'vad'],
    ['with an escaped quote', start('"a\\"b\\\\"'), 'a"b\\'],
    ['empty', start('""'), ''],
    ['beyond ASCII', start('"模型"'), '模型'],
    ['that ends within 4096 bytes', start(`"${longest}"`), longest],
  ])('is read %s', (_, text, name) => {
    expect(nameOf(text)).toBe(name)
    expect(claimedName(Buffer.from(`x${text}`).subarray(1))).toBe(name)
  })

  test.each([
    ['begins with other text', ` ${start('"vad"')}`],
    ['has another type', start('"vad"').replace('v1', 'v2')],
    ['has a type with other characters for its dots', start('"vad"').replace('.io', '_io')],
    ['has two spaces', start('"vad"', '  ')],
    ['has the name elsewhere', start('"vad"').replace('"name"', '"digest"')],
    ['has no text as its name', start('7')],
    ['has an invalid escape', start('"\\x"')],
    ['has a name that does not end', start('"vad')],
    ['has a name that ends after 4096 bytes', start(`"${longest}n"`)],
  ])('is unknown if the statement %s', (_, text) => {
    expect(nameOf(text)).toBeUndefined()
  })
})
