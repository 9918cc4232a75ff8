import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { elsewhere } from '../../testing/elsewhere.ts'
import { placingOf } from '../../testing/placing-of.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { PrivatePlaces } from './private-places.ts'

vi.mock('node:fs', { spy: true })

beforeEach(() => {
  vi.stubEnv('TMPDIR', scratch())
  onTestFinished(() => void vi.unstubAllEnvs())
})

describe.runIf(process.platform === 'linux')('the descriptor of a file in place', () => {
  test('confirms it wherever its directory is moved to', async () => {
    const { placing, model } = placingOf(['sub/a'])
    await placing.place(['sub/a'])
    fs.renameSync(join(model, 'sub'), join(model, 'moved'))
    expect(() => placing.confirm()).not.toThrow()
    fs.appendFileSync(join(model, 'moved/a'), '!')
    expect(() => placing.confirm()).toThrow(refusal('FILE_CHANGED', { file: 'sub/a' }))
  })

  test('is closed at the end, when nothing leads to it any more', async () => {
    const { placing, files } = placingOf(['a', 'b'])
    const { path } = await placing.place(['a', 'b'])
    const open = ['a', 'b'].map((name) => files.get(name)?.fd)
    const links = ['a', 'b'].map(path)
    for (const link of links) expect(fs.lstatSync(link).isSymbolicLink()).toBe(true)
    const { closeSync } = await vi.importActual<typeof fs>('node:fs')
    const closed: [number, boolean][] = []
    vi.mocked(fs.closeSync).mockImplementation((fd) => {
      closed.push([fd, links.some((link) => fs.existsSync(link))])
      closeSync(fd)
    })
    onTestFinished(() => void vi.mocked(fs.closeSync).mockReset())
    await placing.dispose()
    expect(closed).toEqual(expect.arrayContaining(open.map((fd) => [fd, false])))
  })
})

describe('on other systems than Linux', () => {
  beforeEach(() => elsewhere('darwin'))

  test('a file behind a link is linked, since no link is one in procfs', async () => {
    const { placing, events } = placingOf(['a'], {
      listed: (file) => {
        const link = join(scratch(), 'link')
        fs.symlinkSync(dirname(file.path), link)
        return { ...file, path: join(link, 'a') }
      },
    })
    expect((await placing.place(['a'])).isolation).toBe('in-place')
    expect(events.copied).toEqual([])
  })

  test('a link that is gone when it is to be removed hides no refusal', async () => {
    const { placing } = placingOf(['a'], {
      check: ([placement]) => {
        fs.rmSync(placement!.file.path)
        throw new ModelSealError('FILE_MISMATCH', 'No.')
      },
    })
    await expect(placing.place(['a'])).rejects.toEqual(refusal('FILE_MISMATCH'))
  })
})

test('what cannot be removed at the end is reported, and everything else is cleaned up', async () => {
  const { placing, files } = placingOf(['a', 'b'])
  const linked = await placing.place(['a'])
  const copied = await placing.place(['b'], { isolation: 'copy' })
  const failure = new RangeError('mine')
  const remove = vi.spyOn(PrivatePlaces.prototype, 'remove').mockRejectedValueOnce(failure)
  onTestFinished(() => remove.mockRestore())
  await expect(placing.dispose()).rejects.toBe(failure)
  // One of the two could not be removed.
  expect([linked, copied].filter(({ directory }) => fs.existsSync(directory))).toHaveLength(1)
  expect(files.get('a')?.fd).toBeUndefined()
  await placing.dispose()
  expect([linked, copied].filter(({ directory }) => fs.existsSync(directory))).toEqual([])
})
