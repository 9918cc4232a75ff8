import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import {
  checking,
  checkingEach,
  emptyVerdict,
  noteIsolation,
  refused,
  timed,
  timedEach,
  warnInto,
} from './verdict-steps.ts'

const empty = () => emptyVerdict({ path: '/models/vad' }, {})

describe('a verdict before the first step', () => {
  test('refuses', () => {
    expect(empty()).toStrictEqual({
      decision: 'refused',
      at: expect.stringMatching(/^\d{4}-/),
      model: { path: '/models/vad' },
      checks: [],
      bundles: [],
      files: { checked: 0, signed: 0 },
      bytes: 0,
      durations: { policy: 0, verification: 0, hashing: 0 },
    })
  })

  test('has the format if the caller states one, and the URL of a local model', () => {
    const url = 'https://hub.example/vad'
    expect(emptyVerdict({ path: '/models/vad' }, { format: 'onnx', url }).model).toEqual({
      path: '/models/vad',
      format: 'onnx',
      url,
    })
    const several = { oneOf: ['onnx'], claimed: () => Promise.resolve(undefined) }
    expect(emptyVerdict({ path: '/models/vad' }, { format: several }).model).toEqual({ path: '/models/vad' })
  })

  test('has the URL that is fetched as its path', () => {
    const url = 'https://hub.example/v%61d?token=1'
    const shown = 'https://hub.example/vad'
    expect(emptyVerdict({ url }, {}).model).toEqual({ path: shown, url: shown })
    expect(emptyVerdict({ path: '/cache/vad', url } as never, {}).model).toEqual({ path: shown, url: shown })
  })

  test('cannot be made for a URL with another URL, or one that cannot be shown', () => {
    const url = 'https://hub.example/vad'
    expect(() => emptyVerdict({ url }, { url })).toThrow(
      refusal('INVALID_ARGUMENT', { expected: 'a path, or a URL without option "url"' }),
    )
    expect(() => emptyVerdict({ url: 'https://user:password@hub.example/vad' }, {})).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('in the URL of the model.') as string }),
    )
  })
})

describe('the duration of a step', () => {
  /** Takes two milliseconds. */
  const wait = async () => {
    await Promise.resolve()
    const until = performance.now() + 2
    while (performance.now() < until);
  }

  test('is added to earlier ones, even if the step fails', async () => {
    const [verdict, before] = [empty(), performance.now()]
    expect(await timed(verdict, 'policy', () => wait().then(() => 'done'))).toBe('done')
    const { policy: first } = verdict.durations
    expect(first).toBeGreaterThan(1)
    expect(first).toBeLessThanOrEqual(performance.now() - before + 1)
    await expect(
      timed(verdict, 'policy', () => wait().then(() => Promise.reject(new Error('broken')))),
    ).rejects.toThrow('broken')
    expect(verdict.durations.policy).toBeGreaterThan(first + 1)
    expect(verdict.durations).toMatchObject({ verification: 0, hashing: 0 })
  })

  test('counts for each of several verdicts', async () => {
    const verdicts = [empty(), empty()]
    expect(await timedEach(verdicts, 'hashing', () => wait().then(() => 'done'))).toBe('done')
    for (const { durations } of verdicts) expect(durations.hashing).toBeGreaterThan(1)
    expect(await timedEach([], 'hashing', () => Promise.resolve('nothing'))).toBe('nothing')
  })
})

describe('the outcome of a step', () => {
  const error = new ModelSealError('FILE_MISMATCH', 'Changed.')

  test('is recorded with what it told', async () => {
    const verdict = empty()
    const work = (tell: (reason: string) => void) => {
      tell('All is well.')
      return 7
    }
    expect(await checking(verdict, 'files', work)).toBe(7)
    await checking(verdict, 'rule', () => undefined)
    expect(verdict.checks).toEqual([
      { check: 'files', outcome: 'passed', reason: 'All is well.' },
      { check: 'rule', outcome: 'passed', reason: '' },
    ])
  })

  test('is a failure with its code, and only a refusal is recorded', async () => {
    const verdict = empty()
    await expect(checking(verdict, 'files', () => Promise.reject(error))).rejects.toBe(error)
    const failed = { check: 'files', outcome: 'failed', reason: 'Changed.', code: 'FILE_MISMATCH' }
    expect(verdict.checks).toEqual([failed])
    await expect(checking(verdict, 'rule', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(verdict.checks).toEqual([failed])
  })

  test('is recorded in each of several verdicts', async () => {
    const verdicts = [empty(), empty(), empty()]
    const work = (tell: (reason: string) => void) => {
      tell('All is well.')
      return 7
    }
    expect(await checkingEach(verdicts, 'files', work)).toBe(7)
    await expect(checkingEach(verdicts, 'rule', () => Promise.reject(error))).rejects.toBe(error)
    for (const { checks } of verdicts)
      expect(checks.map(({ outcome, reason }) => [outcome, reason])).toEqual([
        ['passed', 'All is well.'],
        ['failed', 'Changed.'],
      ])
    expect(await checkingEach([], 'files', work)).toBe(7)
  })
})

describe('notes about where files were placed', () => {
  const FROM_MEMORY = 'The runtime gets them from memory instead.'

  test('are added to the isolation step', () => {
    const verdict = empty()
    verdict.checks.push({ check: 'files', outcome: 'passed', reason: 'Files.' })
    verdict.checks.push({ check: 'isolation', outcome: 'passed', reason: 'Allowed.' })
    noteIsolation(verdict, { notes: [], used: ['memory'] })
    expect(verdict.checks[1]?.reason).toBe('Allowed.')
    noteIsolation(verdict, { notes: ['No room.'], used: ['copy'] })
    expect(verdict.checks[1]?.reason).toBe('Allowed. No room.')
    noteIsolation(verdict, { notes: ['Full.', 'No room.'], used: ['memory'] })
    expect(verdict.checks[1]?.reason).toBe(`Allowed. No room. Full. No room. ${FROM_MEMORY}`)
    expect(verdict.checks[0]?.reason).toBe('Files.')
    expect(verdict.checks).toHaveLength(2)
  })

  test('make a step of their own if there is none', () => {
    const verdict = empty()
    noteIsolation(verdict, { notes: [], used: [] })
    expect(verdict.checks).toEqual([])
    noteIsolation(verdict, { notes: ['No room.'], used: ['memory', 'copy'] })
    expect(verdict.checks).toEqual([{ check: 'isolation', outcome: 'passed', reason: 'No room.' }])
  })
})

test('each kind of warning is recorded once in each verdict', () => {
  const verdicts = [empty(), empty()]
  const warn = warnInto(verdicts)
  const first = { code: 'MODELSEAL_NO_THREADS', message: 'First.' } as const
  const other = { code: 'MODELSEAL_SOURCE_CLOSE', message: 'Other.' } as const
  for (const warning of [first, { ...first, message: 'Again.' }, other]) warn(warning)
  for (const { warnings } of verdicts) expect(warnings).toEqual([first, other])
})

describe('a refusal', () => {
  test('is the error with the verdict', () => {
    const verdict = { ...empty(), decision: 'accepted' as const, at: 'earlier' }
    const error = new ModelSealError('FILE_MISMATCH', 'Changed.')
    expect(refused(verdict, error)).toBe(error)
    expect(error.verdict).toBe(verdict)
    expect(verdict).toMatchObject({ decision: 'refused', error: { code: 'FILE_MISMATCH', message: 'Changed.' } })
    expect(verdict.at).not.toBe('earlier')
  })

  test('has a code of its own if the check failed unexpectedly', () => {
    const verdict = empty()
    const cause = new TypeError('x is not a function')
    expect(refused(verdict, cause)).toEqual(refusal('INTERNAL', { found: 'x is not a function', cause, verdict }))
  })
})
