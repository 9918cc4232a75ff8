import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'

const work = mkdtempSync(join(tmpdir(), 'modelseal-partial-'))
const model = join(work, 'model')
const signature = join(work, 'model.sig')
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
writeFileSync(join(work, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
writeFileSync(join(work, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }))
const verifier = { publicKey: join(work, 'pub') }
afterAll(() => rmSync(work, { recursive: true }))

beforeEach(async () => {
  rmSync(model, { recursive: true, force: true })
  mkdirSync(join(model, 'weights/deep'), { recursive: true })
  for (const name of ['config.json', 'weights/a', 'weights/b', 'weights/deep/c', 'weights-2'])
    writeFileSync(join(model, name), name)
  await signModel(model, { signature, signer: await keySigner({ privateKey: join(work, 'key') }) })
})

const verifyOnly = (...files: string[]) => verifyModel(model, { signature, verifier, files })

describe('verifying only some files', () => {
  test('says how many of all files were checked', async () => {
    expect((await verifyOnly('config.json')).files).toEqual({ checked: 1, signed: 5 })
  })

  test('takes a directory to mean all signed files below it', async () => {
    expect((await verifyOnly('weights')).files).toEqual({ checked: 3, signed: 5 })
    expect((await verifyOnly('weights', 'weights/a')).files).toEqual({ checked: 3, signed: 5 })
  })

  test('needs no other files and ignores unsigned ones', async () => {
    rmSync(join(model, 'weights/deep'), { recursive: true })
    rmSync(join(model, 'weights-2'))
    writeFileSync(join(model, 'unsigned'), 'x')
    symlinkSync('config.json', join(model, 'link'))
    expect((await verifyOnly('config.json', 'weights/a')).files).toEqual({ checked: 2, signed: 5 })
  })

  test('refuses changed, missing and unsigned files that were named', async () => {
    writeFileSync(join(model, 'config.json'), 'changed')
    rmSync(join(model, 'weights/a'))
    writeFileSync(join(model, 'unsigned'), 'x')
    await expect(verifyOnly('config.json')).rejects.toMatchObject({ code: 'FILE_MISMATCH', file: 'config.json' })
    await expect(verifyOnly('weights/a')).rejects.toMatchObject({ code: 'FILE_MISSING', file: 'weights/a' })
    await expect(verifyOnly('unsigned')).rejects.toMatchObject({ code: 'FILE_NOT_SIGNED', file: 'unsigned' })
    await expect(verifyOnly('../outside')).rejects.toMatchObject({ code: 'FILE_NOT_SIGNED' })
    await expect(verifyOnly('.')).rejects.toMatchObject({ code: 'FILE_NOT_SIGNED' })
  })

  test('refuses a parent directory that became a link', async () => {
    rmSync(join(model, 'weights'), { recursive: true })
    mkdirSync(join(work, 'elsewhere'), { recursive: true })
    writeFileSync(join(work, 'elsewhere/a'), 'weights/a')
    symlinkSync('../elsewhere', join(model, 'weights'))
    await expect(verifyOnly('weights/a')).rejects.toMatchObject({ code: 'SYMLINK_REFUSED' })
  })
})
