import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { placingSite } from '../../testing/placing-site.ts'
import type { TestSite } from '../../testing/site.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'

// Stands in for a file system that can clone, because most cannot. test/attacks/clones.test.ts uses real ones.
vi.mock('node:fs', { spy: true })

const FILES = { 'config.json': '{}', 'sub/weights.bin': 'the weights' }

let site: TestSite
let policy: string

beforeEach(async () => {
  ;({ site, policy } = await placingSite(FILES))
  vi.mocked(fs.openSync).mockClear()
  vi.mocked(fs.copyFileSync).mockReset()
})

const placing = (names = Object.keys(FILES)) =>
  openVerifiedModel(site.file('model'), { policy, isolation: 'copy' }, (reader: ModelReader) => reader.place(names))

/** Files that were created to be written to while hashing. */
const created = () => vi.mocked(fs.openSync).mock.calls.filter(([, flags]) => flags === 'wx').length

describe.runIf(process.platform === 'linux')('where the file system can clone', () => {
  test('each copy is a clone, and nothing is written', async () => {
    vi.mocked(fs.copyFileSync).mockImplementation((from, to, flags) => {
      expect(flags).toBe(fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE_FORCE)
      fs.writeFileSync(to, fs.readFileSync(from))
    })
    await using model = await placing()
    expect(model.verdict.isolation).toEqual(['copy'])
    expect(created()).toBe(0)
    expect(fs.readFileSync(model.gathered.path('sub/weights.bin'), 'utf8')).toBe('the weights')
  })

  test('what counts is the content of the clone, not of the original', async () => {
    vi.mocked(fs.copyFileSync).mockImplementation((_, to) => fs.writeFileSync(to, 'EVIL weight'))
    await expect(placing(['sub/weights.bin'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(fs.readdirSync(tmpdir())).toEqual([])
  })

  test('a clone has the content that was signed, whatever becomes of the original', async () => {
    vi.mocked(fs.copyFileSync).mockImplementation((from, to) => {
      fs.writeFileSync(to, fs.readFileSync(from))
      fs.writeFileSync(site.file('model', 'sub', 'weights.bin'), 'EVIL weight')
    })
    const options = { policy, isolation: 'copy' } as const
    await using model = await openVerifiedModel(site.file('model'), options)
    const { path } = await model.place(['sub/weights.bin'])
    expect(fs.readFileSync(path('sub/weights.bin'), 'utf8')).toBe('the weights')
  })

  test('a clone that changes while it is hashed is refused', async () => {
    let clone = ''
    vi.mocked(fs.copyFileSync).mockImplementation((from, to) => {
      fs.writeFileSync(to, fs.readFileSync(from))
      clone = to as string
    })
    const { closeSync } = await vi.importActual<typeof fs>('node:fs')
    vi.mocked(fs.closeSync).mockImplementation((fd) => {
      closeSync(fd)
      // The original has just been closed, and the state of the clone is known.
      if (clone !== '') fs.appendFileSync(clone, '!')
      clone = ''
    })
    await expect(placing(['sub/weights.bin'])).rejects.toEqual(refusal('FILE_CHANGED'))
    vi.mocked(fs.closeSync).mockReset()
  })
})

test('where the file system cannot clone, the bytes are written while they are hashed', async () => {
  vi.mocked(fs.copyFileSync).mockImplementation(() => {
    throw Object.assign(new Error('ENOTSUP: operation not supported'), { code: 'ENOTSUP' })
  })
  await using model = await placing()
  expect(created()).toBe(2)
  expect(vi.mocked(fs.copyFileSync).mock.calls.length).toBeLessThanOrEqual(1)
  expect(fs.readFileSync(model.gathered.path('sub/weights.bin'), 'utf8')).toBe('the weights')
})
