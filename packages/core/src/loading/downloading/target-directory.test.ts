import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { TargetDirectory } from './target-directory.ts'

const BEGUN = '.modelseal-incomplete'
const partialOf = (name: string) => createHash('sha256').update(name).digest('hex')

let directory: string
beforeEach(() => {
  directory = scratch()
  fs.chmodSync(directory, 0o700)
})

/** Writes a file with the directories above it. */
function put(name: string, content = ''): void {
  fs.mkdirSync(join(directory, name, '..'), { recursive: true })
  fs.writeFileSync(join(directory, name), content)
}
const begin = () => fs.mkdirSync(join(directory, BEGUN))
const contents = () => (fs.readdirSync(directory, { recursive: true }) as string[]).sort()
/** What is there, without the sign of life. */
const kept = () => contents().filter((name) => name !== BEGUN && !name.startsWith(`${BEGUN}/alive`))

async function targets(...names: string[]) {
  const target = await TargetDirectory.at(directory)
  try {
    return await target.targets(names)
  } finally {
    target.end()
  }
}

describe('a directory is refused', () => {
  const refused = (details: object) =>
    expect(TargetDirectory.at(directory)).rejects.toEqual(refusal('FILE_WRITE_FAILED', { file: directory, ...details }))

  test('if it is not there', async () => {
    directory = join(directory, 'none')
    const message = expect.stringContaining(`directory ${JSON.stringify(directory)}: ENOENT`) as string
    await expect(TargetDirectory.at(directory)).rejects.toEqual(
      refusal('FILE_UNREADABLE', { file: directory, message }),
    )
  })

  test('if it is something else, even a link to a directory', async () => {
    const own = { expected: 'a directory of this user that nobody else can write to' }
    const above = directory
    directory = join(above, 'file')
    fs.writeFileSync(directory, '')
    await refused({ ...own, found: 'something other than a directory' })
    fs.mkdirSync(join(above, 'real'), { mode: 0o700 })
    directory = join(above, 'link')
    fs.symlinkSync('real', directory)
    await refused({ ...own, found: 'something other than a directory' })
  })

  test.runIf(process.geteuid)('if others can write to it', async () => {
    fs.chmodSync(directory, 0o770)
    await refused({
      expected: 'a directory of this user that nobody else can write to',
      found: 'the mode 0770',
    })
  })

  test('if it has files, and no download has begun in it', async () => {
    const found = { expected: 'an empty directory, or one with an unfinished download', found: 'other files' }
    put('mine')
    await refused(found)
    put(BEGUN)
    await refused(found)
    expect(contents()).toEqual([BEGUN, 'mine'])
  })

  test('while another download to it is running, and not afterwards', async () => {
    const first = await TargetDirectory.at(directory)
    await first.targets(['a'])
    put(`${BEGUN}/${partialOf('a')}`, 'begun')
    await expect(targets('a')).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', {
        file: directory,
        expected: 'a directory of its own',
        found: 'another download to it that is still running',
      }),
    )
    first.end()
    await targets('a')
    expect(kept()).toEqual([`${BEGUN}/${partialOf('a')}`])
  })

  test('if nothing can be written to it', async () => {
    begin()
    // A directory has the name of a partial file.
    fs.mkdirSync(join(directory, 'a/b'), { recursive: true })
    put(`${BEGUN}/${partialOf('x')}/file`)
    const target = await TargetDirectory.at(directory)
    fs.rmSync(directory, { recursive: true })
    await expect(target.targets(['x'])).rejects.toEqual(
      refusal('FILE_WRITE_FAILED', { file: directory, found: 'ENOENT' }),
    )
    target.end()
  })

  test.each([BEGUN, `${BEGUN}/a`, `${BEGUN}/a/b`])('for a file named %s', async (name) => {
    await expect(targets('x', name)).rejects.toEqual(refusal('FILE_WRITE_FAILED', { file: BEGUN }))
    expect(contents()).toEqual([])
  })
})

describe('a directory for files', () => {
  test('has a place for each until it is complete', async () => {
    const names = ['a', 'sub/deep/b', 'x'.repeat(255)]
    expect(await targets(...names)).toEqual(
      names.map((name) => ({
        name,
        path: join(directory, name),
        partial: join(directory, BEGUN, partialOf(name)),
      })),
    )
    expect(fs.statSync(join(directory, BEGUN)).mode & 0o777).toBe(0o700)
  })

  test('keeps what an interrupted download left of them, and nothing else', async () => {
    begin()
    for (const name of ['a', 'b']) put(`${BEGUN}/${partialOf(name)}`, `partial ${name}`)
    put(`${BEGUN}/directory/file`)
    fs.mkdirSync(join(directory, BEGUN, partialOf('c')))
    fifo(join(directory, BEGUN, partialOf('d')))
    await targets('a', 'c', 'd')
    expect(kept()).toEqual([`${BEGUN}/${partialOf('a')}`])
  })

  test('has complete files hashed again, and removes the others', async () => {
    begin()
    put('a', 'complete a')
    put('sub/deep/b', 'complete b')
    put('sub/deep/other')
    put('sub/other/b')
    put('unwanted/b')
    // These are only parts of wanted names.
    put('su/b')
    put('sub/de/b')
    put('sub.bin')
    fs.symlinkSync('a', join(directory, 'link'))
    // Something else has the name of a wanted file.
    put('c/file')
    const found = await targets('a', 'c', 'link', 'sub/deep/b')
    expect(kept()).toEqual(
      [...['a', 'sub/deep/b'].map((name) => `${BEGUN}/${partialOf(name)}`), 'sub', 'sub/deep'].sort(),
    )
    expect(fs.readFileSync(found[0]!.partial, 'utf8')).toBe('complete a')
  })

  test('replaces a file where a directory is wanted, and keeps directories in which nothing is wanted any more', async () => {
    begin()
    put('sub', 'a file')
    put('top/sub/b', 'b')
    await targets('sub/a', 'top/sub/c')
    expect(kept()).toEqual(['top', 'top/sub'])
  })

  test('has no trace of the download in the end', async () => {
    const target = await TargetDirectory.at(directory)
    await target.targets(['a'])
    fs.writeFileSync(target.fileAt('a'), '')
    // The second time, there is nothing to remove.
    for (let i = 0; i < 2; i++) await target.finish()
    target.end()
    expect(contents()).toEqual(['a'])
    expect(target.fileAt('sub/b')).toBe(join(directory, 'sub/b'))
  })
})
