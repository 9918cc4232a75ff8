import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { verifyModel } from '@modelseal/core/verification'

const fixtures = join(import.meta.dirname, 'fixtures/reference')
const bundles = readdirSync(fixtures).filter((name) => name.endsWith('.sig'))
const work = mkdtempSync(join(tmpdir(), 'modelseal-old-'))
afterAll(() => rmSync(work, { recursive: true }))

const verifierOf = (name: string) =>
  name.includes('-key')
    ? { publicKey: join(fixtures, 'signer.pub') }
    : { certificateChain: [join(fixtures, 'root.pem')] }

describe('a bundle that the reference tool signed', () => {
  test('exists for each of its releases and methods', () => {
    const of = (method: string) =>
      bundles.filter((name) => name.endsWith(`-${method}.sig`)).map((name) => name.split('-')[0])
    expect(of('key')).toEqual(['0.2.0', '0.3.1', '1.0.0', '1.0.1', '1.1.0', '1.1.1'])
    // 0.3.1 cannot sign with a certificate.
    expect(of('certificate')).toEqual(['0.2.0', '1.0.0', '1.0.1', '1.1.0', '1.1.1'])
  })

  test.each(bundles)('%s verifies, with every file of the model', async (name) => {
    const options = { signature: join(fixtures, name), verifier: verifierOf(name) }
    const { files, signer } = await verifyModel(join(fixtures, 'model'), options)
    // An empty file has no shards.
    expect(files).toEqual(name.includes('shards') ? { checked: 4, signed: 4 } : { checked: 5, signed: 5 })
    expect(signer.method).toBe(name.includes('-key') ? 'key' : 'certificate')
  })

  test.each(bundles)('%s does not verify for a changed model', async (name) => {
    const model = join(work, name)
    cpSync(join(fixtures, 'model'), model, { recursive: true })
    writeFileSync(join(model, 'config.json'), '{ "model": "fixturE" }\n')
    const options = { signature: join(fixtures, name), verifier: verifierOf(name) }
    await expect(verifyModel(model, options)).rejects.toMatchObject({
      code: 'FILE_MISMATCH',
      file: 'config.json',
    })
  })

  test.each(bundles)('%s does not verify with a changed payload', async (name) => {
    const bundle = JSON.parse(readFileSync(join(fixtures, name), 'utf8')) as { dsseEnvelope: { payload: string } }
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('config.json', 'config.jsoN')
    bundle.dsseEnvelope.payload = Buffer.from(payload).toString('base64')
    const signature = join(work, `changed-${name}`)
    writeFileSync(signature, JSON.stringify(bundle))
    const options = { signature, verifier: verifierOf(name) }
    await expect(verifyModel(join(fixtures, 'model'), options)).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
    })
  })
})
