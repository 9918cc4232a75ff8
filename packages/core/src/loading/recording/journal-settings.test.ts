import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { enable, enabledJournals } from '../../journal/enabled.ts'
import { recordLoaded, recordRefused, type JudgedVerdict } from '../../journal/recording/record-verdict.ts'
import { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { JournalSettings } from '../../journal/writing/settings/settings.ts'
import type { Verdict } from '../../results.ts'
import { refusal } from '../../testing/scratch.ts'
import { enableJournal, type JournalOptions } from './enable-journal.ts'
import { noteJournals, noteSameJournals, recorded, recordRefusals, recordUnopened } from './record-verdict.ts'

vi.mock('../../journal/enabled.ts', async (original) => ({
  ...(await original<object>()),
  enable: vi.fn(),
  enabledJournals: vi.fn(() => []),
}))
vi.mock('../../journal/recording/record-verdict.ts', () => ({ recordLoaded: vi.fn(), recordRefused: vi.fn() }))

beforeEach(() => {
  for (const mocked of [enable, recordLoaded, recordRefused]) vi.mocked(mocked).mockReset()
  vi.mocked(enabledJournals).mockReset().mockReturnValue([])
})

const settings = (directory: string) => ({ directory }) as JournalSettings
const verdict = () => ({ decision: 'refused' }) as unknown as Verdict
const [OF_POLICY, OF_PROGRAM] = [settings('/policy'), settings('/program')]

describe('a journal that the program enables', () => {
  const settled = (options?: JournalOptions): JournalSettings | undefined => {
    enableJournal(options)
    return vi.mocked(enable).mock.lastCall?.[0]
  }
  const plain = { required: false, durability: 'interval', paths: 'full', place: 'enableJournal()' }

  test('is in the working directory, unless it says otherwise', () => {
    expect(settled()).toEqual({ ...plain, directory: resolve('journal') })
    expect(settled({ directory: 'logs/models' })).toEqual({ ...plain, directory: resolve('logs/models') })
    expect(settled({ directory: '/var/journal', service: undefined })).toStrictEqual({
      ...plain,
      directory: '/var/journal',
    })
  })

  test('has all its settings', () => {
    const options = { durability: 'each', service: 's', host: 'h', paths: 'short', collected: true } as const
    const given = { ...options, required: true, key: 'host.key', retention: '3d', checkpoints: { file: 'newest' } }
    expect(settled(given)).toEqual({
      ...options,
      required: true,
      place: 'enableJournal()',
      directory: resolve('journal'),
      key: resolve('host.key'),
      retention: 3 * 86_400_000,
      checkpoints: { file: resolve('newest') },
    })
  })

  test('may have its key on a token', () => {
    expect(settled({ key: 'pkcs11:token=a' })).toMatchObject({ key: 'pkcs11:token=a' })
    expect(settled({ key: 'pkcs11:token=a?pin-value=1234' })).toMatchObject({ key: 'pkcs11:token=a?pin-value=1234' })
    expect(settled({ key: 'sub/pkcs11:x' })).toMatchObject({ key: resolve('sub/pkcs11:x') })
  })

  test.each<[string, unknown]>([
    ['directory', ''],
    ['directory', 1],
    ['required', 'yes'],
    ['durability', 'never'],
    ['service', 1],
    ['host', 1],
    ['key', 1],
    ['key', ''],
    ['paths', 'long'],
    ['retention', '1h'],
    ['checkpoints', {}],
    ['collected', 1],
    ['unknown', true],
  ])('is refused for the option %s: %j', (option, value) => {
    expect(() => enableJournal({ [option]: value })).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining(option) as string }),
    )
    expect(enable).not.toHaveBeenCalled()
  })
})

test('an unknown option is refused with the name of the function', () => {
  expect(() => enableJournal({ dir: 'x' } as never)).toThrow(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for enableJournal') as string }),
  )
})

describe('a verdict', () => {
  test('is recorded in the journals of its policy and of the program', () => {
    const [noted, unnoted] = [verdict(), verdict()]
    noteJournals(noted, [OF_POLICY])
    noteJournals(unnoted, [])
    const judged = [{ verdict: noted, manifest: undefined }, { verdict: unnoted }]
    expect(recorded(judged)).toEqual([{ verdict: noted, manifest: undefined, journals: [OF_POLICY] }])
    vi.mocked(enabledJournals).mockReturnValue([OF_PROGRAM])
    expect(recorded(judged).map(({ journals }) => journals)).toEqual([[OF_PROGRAM, OF_POLICY], [OF_PROGRAM]])
  })

  test('can be recorded where another one was', () => {
    const [first, second, third] = [verdict(), verdict(), verdict()]
    noteJournals(first, [OF_POLICY])
    noteSameJournals(second, first)
    noteSameJournals(third, verdict())
    expect(recorded([{ verdict: second }, { verdict: third }])).toEqual([{ verdict: second, journals: [OF_POLICY] }])
    // No journals do not replace those that are known.
    noteJournals(second, [])
    expect(recorded([{ verdict: second }])).toHaveLength(1)
  })

  test('by which nothing is handed out is recorded if there is a journal', async () => {
    const [noted, unnoted] = [verdict(), verdict()]
    await recordRefusals(unnoted)
    expect(recordRefused).not.toHaveBeenCalled()
    noteJournals(noted, [OF_POLICY])
    await recordRefusals(unnoted, noted)
    const judged: JudgedVerdict[] = [{ verdict: noted, journals: [OF_POLICY] }]
    expect(recordRefused).toHaveBeenCalledExactlyOnceWith(judged)
  })

  test('of a model that nobody opens is recorded if there is a journal, and so is its end', async () => {
    const noted = verdict()
    expect(await recordUnopened(noted)).toBeUndefined()
    expect(recordLoaded).not.toHaveBeenCalled()
    noteJournals(noted, [OF_POLICY])
    const load = Object.create(RecordedLoad.prototype) as RecordedLoad
    vi.mocked(recordLoaded).mockResolvedValueOnce(load)
    expect(await recordUnopened(noted)).toBe(load)
    expect(recordLoaded).toHaveBeenCalledExactlyOnceWith([{ verdict: noted, journals: [OF_POLICY] }])
    const failure = new RangeError('mine')
    vi.mocked(recordLoaded).mockRejectedValueOnce(failure)
    await expect(recordUnopened(noted)).rejects.toBe(failure)
  })
})

test('paths are made absolute, and may be URLs', () => {
  enableJournal({ directory: join('a', '..', 'b') })
  expect(vi.mocked(enable).mock.lastCall?.[0].directory).toBe(resolve('b'))
  enableJournal({ key: pathToFileURL('host.key').href })
  expect(vi.mocked(enable).mock.lastCall?.[0].key).toBe(resolve('host.key'))
})
