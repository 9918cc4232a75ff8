import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ModelSealError } from '@modelseal/core'
import { signModel, type HashType } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import { writeModel } from './models.ts'
import { Reference } from './reference.ts'
import { certificateParty, type Party } from './signers.ts'

const work = mkdtempSync(join(tmpdir(), 'modelseal-interop-'))
const reference = new Reference()
let cases = 0

afterAll(() => {
  reference.close()
  rmSync(work, { recursive: true })
  console.log(`${cases} interoperation cases with the certificate method`)
})

const CURVES = ['P-256', 'P-384', 'P-521'] as const
const HASHES = ['sha256', 'blake3'] as const
const NESTED = { 'config.json': '{}', 'a/b/weights.bin': 'deep', 'größe.bin': 'ü', empty: '' }
const OK = { ok: true, value: null }

const parties = new Map<string, Party>()
for (const algorithm of CURVES) parties.set(algorithm, await certificateParty(work, algorithm, { leaf: { algorithm } }))
const stranger = await certificateParty(work, 'stranger')

let count = 0
const fresh = () => writeModel(join(work, `model-${++count}`), NESTED)

async function weSign(model: string, party: Party, hashType: HashType = 'sha256') {
  cases++
  await signModel(model, { signature: `${model}.sig`, signer: await party.signer(), hashType })
}

async function theySign(model: string, party: Party, hash: 'sha256' | 'blake3' = 'sha256') {
  cases++
  const request = { operation: 'sign', model, signature: `${model}.sig`, hash, ...party.theirs.sign } as const
  expect(await reference.ask(request)).toMatchObject({ ok: true })
}

function weVerify(model: string, { verifier }: Party) {
  cases++
  return verifyModel(model, { signature: `${model}.sig`, verifier })
}

function theyVerify(model: string, party: Party) {
  cases++
  return reference.ask({ operation: 'verify', model, signature: `${model}.sig`, ...party.theirs.verify })
}

async function codeOf(judged: Promise<unknown>): Promise<string> {
  try {
    await judged
    return 'accepted'
  } catch (error) {
    return error instanceof ModelSealError ? error.code : String(error)
  }
}

describe.each(CURVES)('a certificate on %s', (curve) => {
  const party = parties.get(curve)!

  test.each(HASHES)('signs here with %s and verifies there', async (hash) => {
    const model = fresh()
    await weSign(model, party, hash)
    expect(await theyVerify(model, party)).toEqual(OK)
    expect((await weVerify(model, party)).files).toEqual({ checked: 4, signed: 4 })
  })

  test.each(HASHES)('signs there with %s and verifies here', async (hash) => {
    const model = fresh()
    await theySign(model, party, hash)
    const { files, signer } = await weVerify(model, party)
    expect(files).toEqual({ checked: 4, signed: 4 })
    expect(signer).toMatchObject({ method: 'certificate', subject: 'CN=Signer', issuer: 'CN=Interop intermediate' })
    expect(await theyVerify(model, party)).toEqual(OK)
  })
})

describe('both tools refuse, whichever signed:', () => {
  const party = parties.get('P-256')!

  test.each([
    ['a changed file', 'FILE_MISMATCH', (model: string) => writeFileSync(join(model, 'config.json'), 'X')],
    ['a missing file', 'FILE_MISSING', (model: string) => rmSync(join(model, 'config.json'))],
    ['an added file', 'FILE_UNSIGNED', (model: string) => writeFileSync(join(model, 'evil'), 'X')],
  ])('%s', async (_, code, tamper) => {
    for (const sign of [weSign, theySign]) {
      const model = fresh()
      await sign(model, party)
      tamper(model)
      expect(await codeOf(weVerify(model, party))).toBe(code)
      expect(await theyVerify(model, party)).toMatchObject({ ok: false })
    }
  })

  test('another root of the same name', async () => {
    for (const sign of [weSign, theySign]) {
      const model = fresh()
      await sign(model, party)
      expect(await codeOf(weVerify(model, stranger))).toBe('CHAIN_NO_PATH')
      expect(await theyVerify(model, stranger)).toMatchObject({ ok: false })
    }
  })

  test('a signature of another model', async () => {
    for (const sign of [weSign, theySign]) {
      const [model, other] = [fresh(), fresh()]
      writeFileSync(join(other, 'config.json'), 'other')
      await sign(model, party)
      cpSync(`${model}.sig`, `${other}.sig`)
      expect(await codeOf(weVerify(other, party))).toBe('FILE_MISMATCH')
      expect(await theyVerify(other, party)).toMatchObject({ ok: false })
    }
  })

  test('a changed signature', async () => {
    const model = fresh()
    await weSign(model, party)
    const bundle = JSON.parse(readFileSync(`${model}.sig`, 'utf8'))
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('"model-', '"modeL-')
    bundle.dsseEnvelope.payload = Buffer.from(payload).toString('base64')
    writeFileSync(`${model}.sig`, JSON.stringify(bundle))
    expect(await codeOf(weVerify(model, party))).toBe('SIGNATURE_INVALID')
    expect(await theyVerify(model, party)).toMatchObject({ ok: false })
  })
})
