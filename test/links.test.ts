import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'

const work = mkdtempSync(join(tmpdir(), 'modelseal-links-'))
const model = join(work, 'model')
const signature = join(work, 'model.sig')
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
writeFileSync(join(work, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
writeFileSync(join(work, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }))
afterAll(() => rmSync(work, { recursive: true }))

beforeEach(() => {
  rmSync(model, { recursive: true, force: true })
  mkdirSync(join(model, 'blobs'), { recursive: true })
  writeFileSync(join(model, 'blobs/abc'), 'content')
})

const sign = async (allowSymlinks: boolean) =>
  signModel(model, { signature, allowSymlinks, signer: await keySigner({ privateKey: join(work, 'key') }) })
const verify = () => verifyModel(model, { signature, verifier: { publicKey: join(work, 'pub') } })

describe('a model signed with its links', () => {
  test('lists each link as a resource, and for a link to a directory, the files below it', async () => {
    symlinkSync('blobs/abc', join(model, 'weights'))
    symlinkSync('blobs', join(model, 'also'))
    expect(await sign(true)).toMatchObject({ files: 3 })
    expect((await verify()).files).toEqual({ checked: 3, signed: 3 })
  })

  test('fails when a link is redirected to other content', async () => {
    symlinkSync('blobs/abc', join(model, 'weights'))
    writeFileSync(join(model, 'blobs/evil'), 'evil')
    await sign(true)
    rmSync(join(model, 'weights'))
    symlinkSync('blobs/evil', join(model, 'weights'))
    await expect(verify()).rejects.toMatchObject({ code: 'FILE_MISMATCH', file: 'weights' })
  })

  test('fails when a link to a file is added', async () => {
    await sign(true)
    symlinkSync('blobs/abc', join(model, 'added'))
    await expect(verify()).rejects.toMatchObject({ code: 'FILE_UNSIGNED', file: 'added' })
  })

  test('skips a link to one of its directories if nothing below it is signed', async () => {
    await sign(true)
    symlinkSync('blobs', join(model, 'added'))
    expect((await verify()).files).toEqual({ checked: 1, signed: 1 })
    writeFileSync(join(model, 'blobs/evil'), 'evil')
    await expect(verify()).rejects.toMatchObject({ code: 'FILE_UNSIGNED', file: 'blobs/evil' })
  })
})

describe('signing and verifying refuse a link that', () => {
  const refused: [string, string, (path: string) => void][] = [
    ['leaves the model for a file', 'out', (path) => symlinkSync('../key', path)],
    ['leaves the model for a directory', 'out', (path) => symlinkSync('..', path)],
    ['leaves the model by an absolute path', 'out', (path) => symlinkSync('/etc/hostname', path)],
    ['leads to itself', 'self', (path) => symlinkSync('self', path)],
    ['leads nowhere', 'gone', (path) => symlinkSync('nothing', path)],
  ]
  test.each(refused)('%s', async (_, name, make) => {
    await sign(true)
    make(join(model, name))
    await expect(verify()).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: name })
    await expect(sign(true)).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: name })
  })

  // The Go and Python tools omit such a link when signing, so it is skipped when their bundles are verified.
  test('leads to its own directory, on signing only', async () => {
    await sign(true)
    const before = await verify()
    symlinkSync('.', join(model, 'loop'))
    expect(await verify()).toEqual(before)
    await expect(sign(true)).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: 'loop' })
  })

  test('leads to a parent directory through another link', async () => {
    mkdirSync(join(model, 'a/b'), { recursive: true })
    symlinkSync('../..', join(model, 'a/b/up'))
    await expect(sign(true)).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: 'a/b/up' })
  })
})

describe('a model signed without links', () => {
  test('refuses every link', async () => {
    await sign(false)
    symlinkSync('blobs/abc', join(model, 'weights'))
    await expect(verify()).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: 'weights' })
    await expect(sign(false)).rejects.toMatchObject({ code: 'SYMLINK_REFUSED', file: 'weights' })
  })
})
