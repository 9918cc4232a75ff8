import { afterEach, describe, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { makeProvenance, type ProvenanceInput } from './make-provenance.ts'

const ROOT = 'a'.repeat(64)
const OPTIONS: ProvenanceInput = { builder: 'https://builder.example', buildType: 'https://builder.example/v1' }
const GITLAB = {
  GITLAB_CI: 'true',
  CI_PROJECT_URL: 'https://gitlab.example/acme/vad',
  CI_PROJECT_ID: '1',
  CI_COMMIT_SHA: '0'.repeat(40),
  CI_COMMIT_REF_NAME: 'main',
  CI_JOB_NAME: 'train',
  CI_JOB_URL: 'https://gitlab.example/acme/vad/-/jobs/5',
  CI_JOB_STARTED_AT: '2026-11-01T00:00:00Z',
  CI_PIPELINE_ID: '6',
  CI_PIPELINE_SOURCE: 'push',
  CI_RUNNER_ID: '7',
}
const STARTED = GITLAB.CI_JOB_STARTED_AT

/** The refusal of an input, for a reason that its message says. */
function refused(input: ProvenanceInput, reason: string, details: object, environment = {}): void {
  const message = expect.stringMatching(/^Cannot make a provenance statement: /) as string
  const make = () => makeProvenance(input, environment)
  expect(make).toThrow(refusal('ATTESTATION_INPUT', { message, ...details }))
  expect(make).toThrow(reason)
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('a provenance statement needs', () => {
  test('a builder together with a build type', () => {
    const details = { expected: 'a builder and a build type, or neither' }
    refused({ builder: 'https://builder.example' }, ': the build type is missing', details)
    refused({ buildType: 'https://builder.example/v1' }, ': the builder is missing', details)
  })

  test('either that or a CI environment', () => {
    refused({}, 'this is not a known CI environment, and no builder is given', {
      expected: 'GitHub Actions, GitLab CI/CD or Buildkite, or a builder and a build type',
      hint: expect.stringContaining('--builder and --build-type') as string,
    })
  })

  test('URIs for them', () => {
    const expected = 'a URI, such as https://ci.example/train/v1'
    refused({ ...OPTIONS, builder: 'x' }, '"builder"', { expected, found: '"x"' })
    refused({ ...OPTIONS, buildType: 'y' }, '"buildType"', { expected, found: '"y"' })
  })

  test('no parameters in a CI environment', () => {
    const reason = 'parameters need a builder and a build type'
    refused({ parameters: { epochs: '3' } }, reason, { expected: undefined }, GITLAB)
    const { buildDefinition } = makeProvenance({ parameters: {} }, GITLAB)
    expect(buildDefinition.externalParameters).toMatchObject({ entryPoint: 'train' })
  })
})

describe('what a model was made from', () => {
  const details = { expected: 'NAME=sha256:HEX with 64 lowercase hex digits, as "modelseal digest" prints it' }

  test.each(['x', `=sha256:${ROOT}`, `x=sha256:${ROOT}=y`, 'x=sha256:', `x=sha256:${ROOT}0`, `x=sha1:${ROOT}`])(
    'is not named by %s',
    (text) => {
      const found = JSON.stringify(text)
      refused({ ...OPTIONS, datasets: [text] }, ': a dataset is not named by its root digest', { ...details, found })
      refused({ ...OPTIONS, baseModels: [text] }, ': a base model is not named by its root digest', {
        ...details,
        found,
      })
    },
  )

  test('may have any name', () => {
    const named = (name: string) =>
      makeProvenance({ ...OPTIONS, datasets: [`${name}=sha256:${ROOT}`] }).buildDefinition.resolvedDependencies
    expect(named('a=sha256:b')).toMatchObject([{ name: 'a=sha256:b', digest: { sha256: ROOT } }])
    expect(named('a\nb')).toMatchObject([{ name: 'a\nb' }])
    expect(named('hf://a')).toMatchObject([{ uri: 'hf://a' }])
  })
})

describe('the times of a build', () => {
  test('may be now, and not later', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(STARTED) })
    const made = makeProvenance({ ...OPTIONS, startedOn: STARTED, finishedOn: STARTED })
    expect(made.runDetails.metadata).toEqual({ startedOn: STARTED, finishedOn: STARTED })
    const later = '2026-11-01T00:00:01Z'
    for (const name of ['startedOn', 'finishedOn'])
      refused({ ...OPTIONS, [name]: later }, `"${name}"`, {
        expected: 'a time that is not in the future',
        found: `"${later}"`,
      })
  })

  test('are in order', () => {
    const finishedOn = '2026-10-31T00:00:00Z'
    const details = { expected: `a time that is not before the start, ${STARTED}`, found: `"${finishedOn}"` }
    refused({ ...OPTIONS, startedOn: STARTED, finishedOn }, 'its field "finishedOn"', details)
    refused({ finishedOn }, 'its field "finishedOn"', details, GITLAB)
    // The job goes on while its start is checked.
    vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2999-01-01T00:00:00Z'))
    refused({ startedOn: '2998-01-01T00:00:00Z' }, 'its field "startedOn"', {}, GITLAB)
  })

  test('may be in another order if all of them are those of the CI system, whose clock may differ', () => {
    const future = '2999-01-01T00:00:00Z'
    const { metadata } = makeProvenance({}, { ...GITLAB, CI_JOB_STARTED_AT: future }).runDetails
    expect(metadata?.startedOn).toBe(future)
    expect(Date.parse(metadata?.finishedOn ?? '')).toBeLessThanOrEqual(Date.now())
  })
})
