import * as fs from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { Verdict } from '../../results.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { LoadRequest } from '../load.ts'
import { openJudged } from '../open-judged.ts'
import type { OpenedModel } from '../verified-model.ts'
import { downloadTo } from './download-model.ts'
import type { SavedModel } from './saved-model.ts'

vi.mock('node:fs/promises', { spy: true })
vi.mock(import('../open-judged.ts'), async (original) => ({ ...(await original()), openJudged: vi.fn() }))

type Gathered = SavedModel | undefined

const SAVED: SavedModel = { signature: 'model.sig', bundles: [], attestations: 0 }
const FILES = ['a', 'model.sig', 'sub/deep/b']
const WOULD_REFUSE = new ModelSealError('FILE_MISMATCH', 'It has other bytes.', {
  file: 'a',
  expected: 'this',
  found: 'that',
  hint: 'Fetch it again.',
})

let directory: string
beforeEach(() => {
  directory = scratch()
})
const left = () => fs.readdir(directory)

/** A download whose files arrive, unless nothing is verified, and which then ends like this. */
async function download(end: (saved: Gathered, gather: LoadRequest<Gathered>['gather']) => unknown, verified = true) {
  const save = async (into: string) => {
    for (const name of FILES) {
      await fs.mkdir(dirname(join(into, name)), { recursive: true })
      await fs.writeFile(join(into, name), name)
    }
    return SAVED
  }
  const load = async ({ gather }: LoadRequest<Gathered>) => {
    const gathered = await gather({ save: verified ? save : undefined } as never)
    return (await end(gathered, gather)) as OpenedModel<Gathered>
  }
  vi.mocked(openJudged).mockImplementation(load as never)
  return downloadTo({ directory }, 'model', {})
}

const opened = (verdict: Partial<Verdict>, gathered: Gathered) => ({
  decision: verdict.decision,
  verdict,
  gathered,
  files: FILES,
  close: () => Promise.resolve(),
})
const failing = (error: Error) => () => Promise.reject(error)

/** An error that occurs when nothing can be removed any more. */
const unremovable = (error: unknown) => async () => {
  await fs.rm(directory, { recursive: true })
  throw error
}

describe('what has arrived of a model that is refused', () => {
  const failure = new ModelSealError('JOURNAL_FAILED', 'No.', { hint: 'Make room.' })

  test('is removed, with all directories', async () => {
    await expect(download(failing(failure))).rejects.toBe(failure)
    expect(await left()).toEqual([])
  })

  test('is removed even if something else removes a part of it', async () => {
    vi.mocked(fs.readdir).mockResolvedValueOnce(['gone', 'a', 'model.sig', 'sub'] as never)
    await expect(download(failing(failure))).rejects.toBe(failure)
    expect(await left()).toEqual([])
  })

  test('is named if it cannot be removed, before any other hint', async () => {
    const hint = `Remove the directory ${JSON.stringify(directory)}: it contains the model, which was refused.`
    await expect(download(unremovable(failure))).rejects.toEqual(
      refusal('JOURNAL_FAILED', { hint: `${hint} Make room.` }),
    )
    await fs.mkdir(directory)
    const without = new ModelSealError('JOURNAL_FAILED', 'No.')
    await expect(download(unremovable(without))).rejects.toEqual(refusal('JOURNAL_FAILED', { hint }))
  })

  test('hides no fault of the program if it cannot be removed', async () => {
    const bug = new TypeError('a bug')
    await expect(download(unremovable(bug))).rejects.toBe(bug)
  })
})

describe('a download is refused', () => {
  const skipped: Partial<Verdict> = { decision: 'skipped', rule: 'lax' }

  test.each<[string, Partial<Verdict>, object]>([
    ['skip', skipped, { code: 'MODEL_UNVERIFIED', found: 'the rule lax, whose mode is "skip"' }],
    ['audit', { decision: 'tolerated', rule: 'lax', wouldRefuse: WOULD_REFUSE.toJSON() }, WOULD_REFUSE.toJSON()],
  ])('as the mode %s decides, with the verdict, and nothing is removed', async (_, verdict, found) => {
    await fs.writeFile(join(directory, 'mine'), '')
    const failed: unknown = await download((gathered) => opened(verdict, gathered), false).catch(
      (error: unknown) => error,
    )
    expect(failed).toMatchObject(found)
    expect((failed as ModelSealError).verdict).toBe(verdict)
    expect(await left()).toEqual(['mine'])
  })

  test('and what had arrived is removed, if the mode audit then goes on without verifying anything', async () => {
    const verdict: Partial<Verdict> = { decision: 'tolerated', wouldRefuse: WOULD_REFUSE.toJSON() }
    const anyway = (_: Gathered, gather: LoadRequest<Gathered>['gather']) =>
      gather({ save: undefined } as never).then((gathered) => opened(verdict, gathered))
    await expect(download(anyway)).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(await left()).toEqual([])
  })

  test('if nothing was verified, whatever has been saved', async () => {
    await expect(download((gathered) => opened(skipped, gathered))).rejects.toEqual(refusal('MODEL_UNVERIFIED'))
    expect(await left()).toEqual([])
  })

  test('if nothing was saved, whatever has been verified', async () => {
    const accepted = opened({ decision: 'accepted', rule: 'all' }, undefined)
    await expect(download(() => accepted, false)).rejects.toEqual(refusal('MODEL_UNVERIFIED'))
  })
})
