import { beforeEach, describe, expect, test, vi } from 'vitest'
import { recordLoaded, recordRefused } from '../../journal/recording/record-verdict.ts'
import { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { JournalSettings } from '../../journal/writing/settings/settings.ts'
import type { Judging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import type { OpenedModel } from '../verified-model.ts'
import { recordOpened, recordRefusal } from './record-load.ts'

vi.mock('../../journal/recording/record-verdict.ts', () => ({ recordLoaded: vi.fn(), recordRefused: vi.fn() }))

beforeEach(() => {
  for (const mocked of [recordLoaded, recordRefused]) vi.mocked(mocked).mockReset()
})

const JOURNAL = { directory: '/journal' } as JournalSettings
const manifest = { rootDigest: 'r' }

/** A believed attestation of a kind, with its content and the digest of its statement. */
const believed = (kind: string | undefined, predicate: string, digest: string | undefined) => ({
  kind: kind === undefined ? undefined : { name: kind },
  predicate,
  verdict: { digest },
})

function judged(more: object = {}): Judging {
  return { verdict: { decision: 'accepted' }, accepted: undefined, journals: [JOURNAL], ...more } as unknown as Judging
}

function loading(...judgings: Judging[]) {
  const recordedAs = vi.fn()
  const close = vi.fn(() => Promise.resolve())
  const load = { judgings, standing: { recordedAs } } as unknown as Load
  return { recordedAs, close, record: () => recordOpened(load, { close } as unknown as OpenedModel<unknown>) }
}

describe('a load', () => {
  test('without a journal is recorded nowhere', async () => {
    const { recordedAs, record } = loading(judged({ journals: [] }))
    await record()
    expect(recordLoaded).not.toHaveBeenCalled()
    expect(recordedAs).not.toHaveBeenCalled()
    await recordRefusal([judged({ journals: [] })])
    expect(recordRefused).not.toHaveBeenCalled()
  })

  test('is recorded with its files and its provenance, and its end is awaited', async () => {
    const attestations = [
      believed('provenance', 'built', 'd'),
      believed('provenance', 'unknown', undefined),
      believed('evaluation', 'measured', 'e'),
      believed(undefined, 'reviewed', 'f'),
    ]
    const [first, second] = [judged({ accepted: { signature: { manifest }, attestations } }), judged()]
    const recorded = Object.create(RecordedLoad.prototype) as RecordedLoad
    vi.mocked(recordLoaded).mockResolvedValueOnce(recorded)
    const { recordedAs, close, record } = loading(first, second)
    await record()
    expect(recordLoaded).toHaveBeenCalledExactlyOnceWith([
      { verdict: first.verdict, manifest, provenance: new Map([['d', 'built']]), journals: [JOURNAL] },
      { verdict: second.verdict, manifest: undefined, provenance: new Map(), journals: [JOURNAL] },
    ])
    expect(recordedAs).toHaveBeenCalledExactlyOnceWith(recorded, true)
    expect(close).not.toHaveBeenCalled()
  })

  test('that cannot be recorded is closed', async () => {
    const failure = new RangeError('mine')
    vi.mocked(recordLoaded).mockRejectedValueOnce(failure)
    const { recordedAs, close, record } = loading(judged())
    await expect(record()).rejects.toBe(failure)
    expect(close).toHaveBeenCalledOnce()
    expect(recordedAs).not.toHaveBeenCalled()
  })

  test('that policies refuse is recorded in their journals', async () => {
    const refusing = judged()
    await recordRefusal([refusing])
    expect(recordRefused).toHaveBeenCalledExactlyOnceWith([{ verdict: refusing.verdict, journals: [JOURNAL] }])
  })
})
