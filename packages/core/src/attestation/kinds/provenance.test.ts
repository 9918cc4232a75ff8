import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { makeAttestation } from '../making.ts'
import { faultsIn } from './kind.ts'
import { makeProvenance, type ProvenanceInput } from './make-provenance.ts'
import { lineage, provenance, ROLE_ANNOTATION, type Ancestor, type Provenance } from './provenance.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const ROOT = 'a'.repeat(64)

const GITHUB = {
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'acme/vad',
  GITHUB_WORKFLOW_REF: 'acme/vad/.github/workflows/train@v1.yml@refs/heads/a@b',
  GITHUB_REF: 'refs/heads/a@b',
  GITHUB_SHA: COMMIT,
  GITHUB_EVENT_NAME: 'push',
  GITHUB_REPOSITORY_ID: '1',
  GITHUB_REPOSITORY_OWNER_ID: '2',
  GITHUB_RUN_ID: '3',
  GITHUB_RUN_ATTEMPT: '4',
  RUNNER_ENVIRONMENT: 'github-hosted',
}
const GITLAB = {
  GITLAB_CI: 'true',
  CI_PROJECT_URL: 'https://gitlab.com/acme/vad',
  CI_PROJECT_ID: '1',
  CI_COMMIT_SHA: COMMIT,
  CI_COMMIT_REF_NAME: 'main',
  CI_JOB_NAME: 'train',
  CI_JOB_URL: 'https://gitlab.com/acme/vad/-/jobs/5',
  CI_JOB_STARTED_AT: '2026-11-01T00:00:00Z',
  CI_PIPELINE_ID: '6',
  CI_PIPELINE_SOURCE: 'push',
  CI_RUNNER_ID: '7',
}
const BUILDKITE = {
  BUILDKITE: 'true',
  BUILDKITE_BUILD_URL: 'https://buildkite.com/acme/vad/builds/8',
  BUILDKITE_BUILD_ID: 'b-8',
  BUILDKITE_JOB_ID: 'j-9',
  BUILDKITE_REPO: 'git@github.com:acme/vad.git',
  BUILDKITE_BRANCH: 'main',
  BUILDKITE_COMMIT: COMMIT,
  BUILDKITE_ORGANIZATION_SLUG: 'acme',
  BUILDKITE_PIPELINE_SLUG: 'vad',
  BUILDKITE_SOURCE: 'webhook',
}

const read = (predicate: object): Provenance =>
  provenance.read(predicate as Record<string, unknown>, faultsIn('ATTESTATION_MALFORMED', 'Cannot read', undefined))
const fieldsOf = (value: Provenance) =>
  Object.fromEntries(Object.entries(provenance.fields).map(([name, of]) => [name, of(value)]))

const NONE = { 'base-model': [], dataset: [] }

describe('the provenance of a CI job', () => {
  test('in GitHub Actions', () => {
    const made = makeProvenance({}, GITHUB)
    expect(made).toMatchObject({
      buildDefinition: {
        externalParameters: {
          workflow: {
            path: '.github/workflows/train@v1.yml',
            ref: 'refs/heads/a@b',
            repository: 'https://github.com/acme/vad',
          },
        },
        internalParameters: { github: { event_name: 'push', repository_id: '1', repository_owner_id: '2' } },
      },
    })
    expect(fieldsOf(read(made))).toEqual({
      ...NONE,
      builder: ['https://github.com/actions/runner/github-hosted'],
      'build-type': ['https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1'],
      invocation: ['https://github.com/acme/vad/actions/runs/3/attempts/4'],
      source: ['git+https://github.com/acme/vad@refs/heads/a@b'],
      commit: [COMMIT],
      dependency: ['git+https://github.com/acme/vad@refs/heads/a@b'],
    })
    expect(Math.abs(Date.parse(provenance.statedAt(made)!) - Date.now())).toBeLessThan(60_000)
  })

  test('in GitLab', () => {
    const made = makeProvenance({ finishedOn: '2026-11-01T01:00:00Z' }, GITLAB)
    expect(fieldsOf(made)).toEqual({
      ...NONE,
      builder: ['https://gitlab.com/acme/vad/-/runners/7'],
      'build-type': ['urn:modelseal:build-type:gitlab-ci:0.1'],
      invocation: ['https://gitlab.com/acme/vad/-/jobs/5'],
      source: ['git+https://gitlab.com/acme/vad@main'],
      commit: [COMMIT],
      dependency: ['git+https://gitlab.com/acme/vad@main'],
    })
    expect(made.runDetails.metadata).toMatchObject({
      startedOn: '2026-11-01T00:00:00Z',
      finishedOn: '2026-11-01T01:00:00Z',
    })
  })

  test('in Buildkite', () => {
    expect(fieldsOf(makeProvenance({}, BUILDKITE))).toEqual({
      ...NONE,
      builder: ['https://buildkite.com/acme'],
      'build-type': ['urn:modelseal:build-type:buildkite:0.1'],
      invocation: ['https://buildkite.com/acme/vad/builds/8#j-9'],
      source: ['git+ssh://git@github.com/acme/vad.git@main'],
      commit: [COMMIT],
      dependency: ['git+ssh://git@github.com/acme/vad.git@main'],
    })
  })

  test.each([
    ['https://user:secret@github.com/acme/vad.git', 'git+https://github.com/acme/vad.git@main'],
    ['ssh://git@github.com/acme/vad.git', 'git+ssh://git@github.com/acme/vad.git@main'],
  ])('has no credentials of the repository %s', (repository, source) => {
    const made = makeProvenance({}, { ...BUILDKITE, BUILDKITE_REPO: repository })
    expect(fieldsOf(made)['source']).toEqual([source])
    expect(JSON.stringify(made)).not.toContain('secret')
  })

  test.each([
    ...Object.keys(GITHUB).map((name) => [name, GITHUB] as const),
    ...Object.keys(GITLAB).map((name) => [name, GITLAB] as const),
    ...Object.keys(BUILDKITE).map((name) => [name, BUILDKITE] as const),
  ])('needs %s', (name, environment) => {
    const make = () => makeProvenance({}, { ...environment, [name]: '' })
    if (name === 'CI_JOB_STARTED_AT') expect(make).not.toThrow()
    else expect(make).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
  })

  test.each([
    ['GITHUB_SHA', 'HEAD', GITHUB],
    ['GITHUB_WORKFLOW_REF', 'acme/vad', GITHUB],
    ['GITHUB_SERVER_URL', 'file:///x', GITHUB],
    ['CI_JOB_STARTED_AT', 'yesterday', GITLAB],
    ['BUILDKITE_COMMIT', 'HEAD', BUILDKITE],
    ['BUILDKITE_REPO', '/srv/git', BUILDKITE],
  ])('refuses %s=%s', (name, value, environment) => {
    expect(() => makeProvenance({}, { ...environment, [name]: value })).toThrow(
      expect.objectContaining({ code: 'ATTESTATION_INPUT' }),
    )
  })

  test('never shows a URL with credentials', () => {
    const environment = { ...BUILDKITE, BUILDKITE_REPO: 'ftp://user:hunter2@host/x' }
    expect(() => makeProvenance({}, environment)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as string }),
    )
  })

  test('is refused if two systems seem to run, or none', () => {
    expect(() => makeProvenance({}, { ...GITHUB, ...GITLAB })).toThrow(
      expect.objectContaining({ found: 'GitHub Actions (GITHUB_ACTIONS), GitLab CI/CD (GITLAB_CI)' }),
    )
    expect(() => makeProvenance({}, { CI: 'true' })).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
  })
})

const OPTIONS: ProvenanceInput = {
  builder: 'https://builder.example',
  buildType: 'https://builder.example/training/v1',
  parameters: { epochs: '3' },
  invocation: 'run-1',
  startedOn: '2026-11-01T00:00:00Z',
  baseModels: [`hf://org/base@main=sha256:${ROOT}`],
  datasets: [`voices=v2=sha256:${'b'.repeat(64)}`],
}

describe('a provenance from options', () => {
  test('names base models and datasets by root digest', () => {
    const made = read(makeProvenance(OPTIONS))
    expect(made).toEqual({
      buildDefinition: {
        buildType: OPTIONS.buildType,
        externalParameters: { epochs: '3' },
        resolvedDependencies: [
          { uri: 'hf://org/base@main', digest: { sha256: ROOT }, annotations: { [ROLE_ANNOTATION]: 'base-model' } },
          { name: 'voices=v2', digest: { sha256: 'b'.repeat(64) }, annotations: { [ROLE_ANNOTATION]: 'dataset' } },
        ],
      },
      runDetails: {
        builder: { id: OPTIONS.builder },
        metadata: { invocationId: 'run-1', startedOn: OPTIONS.startedOn },
      },
    })
    expect(provenance.statedAt(made)).toBe(OPTIONS.startedOn)
    expect(lineage(made)).toStrictEqual<Ancestor[]>([
      { role: 'base-model', uri: 'hf://org/base@main', sha256: ROOT },
      { role: 'dataset', name: 'voices=v2', sha256: 'b'.repeat(64) },
    ])
    expect(fieldsOf(made)).toMatchObject({
      'base-model': [`sha256:${ROOT}`],
      dataset: [`sha256:${'b'.repeat(64)}`],
      dependency: ['hf://org/base@main', `sha256:${ROOT}`, `sha256:${'b'.repeat(64)}`],
    })
  })

  test('does not use the environment, and states no time of its own', () => {
    const made = makeProvenance({ builder: 'https://builder.example', buildType: 'https://builder.example/v1' }, GITHUB)
    expect(made).toStrictEqual({
      buildDefinition: { buildType: 'https://builder.example/v1', externalParameters: {} },
      runDetails: { builder: { id: OPTIONS.builder } },
    })
    expect(provenance.statedAt(made)).toBeUndefined()
  })

  test.each<[what: string, options: ProvenanceInput]>([
    ['a builder without a build type', { builder: 'https://builder.example' }],
    ['a build type without a builder', { buildType: 'https://builder.example/v1' }],
    ['parameters in a CI environment', { parameters: { epochs: '3' } }],
    ['a base model without a digest', { baseModels: ['base'] }],
    ['an uppercase digest', { baseModels: [`base=sha256:${'A'.repeat(64)}`] }],
    ['a dataset without a name', { datasets: [`=sha256:${ROOT}`] }],
    ['a time without a time zone', { finishedOn: '2026-11-01T00:00:00' }],
    ['a time in the future', { finishedOn: '2999-01-01T00:00:00Z' }],
    ['an end before the start', { startedOn: '2026-11-01T00:00:01Z', finishedOn: '2026-11-01T00:00:00Z' }],
    ['an empty builder', { builder: '', buildType: 'https://x.example/v1' }],
    ['a builder that is no URI', { builder: 'foo', buildType: 'https://x.example/v1' }],
  ])('is refused for %s', (_, options) => {
    expect(() => makeProvenance(options, GITHUB)).toThrow(expect.objectContaining({ code: 'ATTESTATION_INPUT' }))
  })

  test('outside of CI says which options to give', () => {
    expect(() => makeProvenance({}, {})).toThrow('(on the command line, --builder and --build-type).')
  })
})

test('errors name the time that was given, and not its place in the statement', () => {
  for (const name of ['startedOn', 'finishedOn'])
    for (const time of ['yesterday', '2999-01-01T00:00:00Z'])
      expect(() => makeProvenance({ [name]: time }, GITHUB)).toThrow(`its field "${name}" is invalid`)
})

describe('a provenance from a file', () => {
  const make = (metadata: object) => {
    const document = { ...STATED, runDetails: { ...STATED.runDetails, metadata } }
    return makeAttestation('provenance', { bytes: Buffer.from(JSON.stringify(document)), file: 'p.json', name: 'vad' })
  }
  const STATED = {
    buildDefinition: { buildType: 'https://x.example/v1', externalParameters: {} },
    runDetails: { builder: { id: 'https://x.example' } },
  }
  const startedOn = '2026-11-01T00:00:01Z'

  test('is refused if it ends before it starts, and names the file', async () => {
    for (const metadata of [{ startedOn, finishedOn: startedOn }, { startedOn }, { finishedOn: startedOn }])
      await expect(make(metadata)).resolves.toMatchObject(STATED)
    await expect(make({ startedOn, finishedOn: '2026-11-01T00:00:00Z' })).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'p.json',
        message: expect.stringContaining(
          'Cannot make a provenance statement from "p.json": its field "runDetails.metadata.finishedOn"',
        ) as string,
        expected: `a time that is not before the start, ${startedOn}`,
        found: '"2026-11-01T00:00:00Z"',
      }),
    )
  })
})

describe('a provenance by others', () => {
  const buildDefinition = { buildType: 'https://x.example/v1', externalParameters: {} }
  const runDetails = { builder: { id: 'https://x.example' } }

  test('may lack what SLSA does not require, or have null for it, and have more', () => {
    const made = read({
      buildDefinition: { ...buildDefinition, internalParameters: null, more: 1 },
      runDetails: { ...runDetails, metadata: null },
      more: {},
    })
    expect(made).toEqual({ buildDefinition, runDetails })
    expect(lineage(made)).toEqual([])
  })

  test('may have roles that are not known', () => {
    const dependency = { uri: 'x', annotations: { [ROLE_ANNOTATION]: 'tokenizer' } }
    expect(
      lineage(read({ buildDefinition: { ...buildDefinition, resolvedDependencies: [dependency] }, runDetails })),
    ).toEqual([])
  })

  test('names what it was made from, even if it does not say what for', () => {
    const commit = { name: 'code', digest: { gitCommit: COMMIT } }
    const repository = { uri: 'git+https://host.example/x' }
    const others = [{ uri: 'https://host.example/git+x' }, { digest: { sha256: ROOT } }, { name: 'x' }]
    const resolvedDependencies = [commit, repository, ...others]
    const value = read({ buildDefinition: { ...buildDefinition, resolvedDependencies }, runDetails })
    expect(lineage(value)).toEqual([])
    expect(fieldsOf(value)).toMatchObject({
      ...NONE,
      source: [undefined, repository.uri],
      commit: [COMMIT, undefined],
      dependency: [repository.uri, 'https://host.example/git+x', `sha256:${ROOT}`],
    })
    const roleOnly = { annotations: { [ROLE_ANNOTATION]: 'dataset' } }
    expect(lineage({ buildDefinition: { ...buildDefinition, resolvedDependencies: [roleOnly] }, runDetails })).toEqual(
      [],
    )
  })

  const SHA256 = 'a SHA-256 digest of 64 lowercase hex digits'

  test.each<[what: string, dependency: object, field: string, details: object]>([
    [
      'a base model without a digest',
      { annotations: { [ROLE_ANNOTATION]: 'base-model' } },
      'digest.sha256',
      { expected: SHA256, found: 'nothing' },
    ],
    [
      'a dataset with another digest',
      { digest: { sha256: 'x' }, annotations: { [ROLE_ANNOTATION]: 'dataset' } },
      'digest.sha256',
      { expected: SHA256, found: '"x"' },
    ],
    [
      'a role that is not text',
      { annotations: { [ROLE_ANNOTATION]: ['dataset'] } },
      `annotations.${ROLE_ANNOTATION}`,
      { expected: 'text', found: 'an array' },
    ],
    ['a digest that is not text', { digest: { sha256: 1 } }, 'digest.sha256', { found: '1' }],
  ])('is refused for %s', (_, dependency, field, details) => {
    const path = `"buildDefinition.resolvedDependencies[0].${field}"`
    expect(() =>
      read({ buildDefinition: { ...buildDefinition, resolvedDependencies: [dependency] }, runDetails }),
    ).toThrow(
      expect.objectContaining({
        code: 'ATTESTATION_MALFORMED',
        message: expect.stringContaining(path) as string,
        ...details,
      }),
    )
  })
})
