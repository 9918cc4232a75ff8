import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedModel, type ModelReader } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { describe, expect, onTestFinished, test, vi, type TestContext } from 'vitest'
import { publisherIn, scratch, writeTree } from '../support/models.ts'

// Copies that share blocks with the original, on file systems created for the test that support it.

const MIB = 1024 * 1024

/** An empty file system in a file. The test is skipped if this user or machine cannot create one. */
function fileSystem(context: TestContext, make: string[]): string {
  const directory = scratch()
  const [image, place] = [join(directory, 'image'), join(directory, 'mounted')]
  writeFileSync(image, '')
  truncateSync(image, 400 * MIB)
  mkdirSync(place)
  try {
    const [program = '', ...options] = make
    execFileSync(program, [...options, image], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'loop', image, place], { stdio: 'ignore' })
  } catch {
    context.skip(`${make[0]} and root are needed`)
  }
  onTestFinished(() => void execFileSync('umount', ['-l', place]))
  return place
}

describe.each([
  ['XFS', ['mkfs.xfs', '-q', '-m', 'reflink=1']],
  ['Btrfs', ['mkfs.btrfs', '-q']],
])('on %s', (_, make) => {
  test('a copy uses no space, matches the signature, and stays unchanged', async (context) => {
    const place = fileSystem(context, make)
    const publisher = publisherIn(place)
    const model = join(place, 'model')
    const [good, evil] = [Buffer.alloc(64 * MIB, 'good'), Buffer.alloc(64 * MIB, 'evil')]
    writeTree(model, { 'weights.bin': good, 'empty.bin': '' })
    await signModel(model, { signer: await keySigner({ privateKey: publisher.privateKey }) })
    mkdirSync(join(place, 'tmp'))
    vi.stubEnv('TMPDIR', join(place, 'tmp'))
    onTestFinished(() => void vi.unstubAllEnvs())
    const options = { policy: publisher.policy, isolation: 'copy' } as const
    const gather = (reader: ModelReader) => reader.place(reader.files)

    execFileSync('sync', ['-f', place])
    const before = statfsSync(place).bfree
    await using opened = await openVerifiedModel(model, options, gather)
    execFileSync('sync', ['-f', place])
    const { bfree, bsize } = statfsSync(place)
    expect((before - bfree) * bsize).toBeLessThan(8 * MIB)

    const copy = opened.gathered.path('weights.bin')
    expect(statSync(copy).ino).not.toBe(statSync(join(model, 'weights.bin')).ino)
    writeFileSync(join(model, 'weights.bin'), evil, { flag: 'r+' })
    expect(readFileSync(copy).equals(good)).toBe(true)
    await expect(openVerifiedModel(model, options, gather)).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
  })
})
