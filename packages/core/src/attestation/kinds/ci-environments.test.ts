import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { provenanceOfEnvironment, type CiVariables } from './ci-environments.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const GITHUB = {
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://user:secret@github.example/',
  GITHUB_REPOSITORY: 'acme/vad',
  GITHUB_WORKFLOW_REF: 'acme/vad/.github/workflows/train.yml@refs/heads/main',
  GITHUB_REF: 'refs/heads/main',
  GITHUB_SHA: COMMIT,
  GITHUB_EVENT_NAME: 'push',
  GITHUB_REPOSITORY_ID: '1',
  GITHUB_REPOSITORY_OWNER_ID: '2',
  GITHUB_RUN_ID: '3',
  GITHUB_RUN_ATTEMPT: '4',
  RUNNER_ENVIRONMENT: 'self-hosted',
}
const GITLAB = {
  GITLAB_CI: 'true',
  CI_PROJECT_URL: 'http://gitlab.example/acme/vad/',
  CI_PROJECT_ID: '1',
  CI_COMMIT_SHA: 'a'.repeat(64),
  CI_COMMIT_REF_NAME: 'main',
  CI_CONFIG_PATH: '.ci.yml',
  CI_JOB_NAME: 'train',
  CI_JOB_URL: 'https://gitlab.example/acme/vad/-/jobs/5',
  CI_JOB_STARTED_AT: '2026-11-01T00:00:00Z',
  CI_PIPELINE_ID: '6',
  CI_PIPELINE_SOURCE: 'push',
  CI_RUNNER_ID: '7',
}
const BUILDKITE = {
  BUILDKITE: 'true',
  BUILDKITE_BUILD_URL: 'https://buildkite.example/acme/vad/builds/8',
  BUILDKITE_BUILD_ID: 'b-8',
  BUILDKITE_JOB_ID: 'j-9',
  BUILDKITE_REPO: 'https://git.example/acme/vad.git',
  BUILDKITE_BRANCH: 'main',
  BUILDKITE_COMMIT: COMMIT,
  BUILDKITE_ORGANIZATION_SLUG: 'ac me',
  BUILDKITE_PIPELINE_SLUG: 'vad',
  BUILDKITE_SOURCE: 'webhook',
  BUILDKITE_TAG: 'v1',
  BUILDKITE_STEP_KEY: 'train',
}

describe('the variables of a CI system say', () => {
  test('in GitHub Actions', () => {
    const repository = 'https://github.example/acme/vad'
    expect(provenanceOfEnvironment({ ...GITHUB, GITHUB_SERVER_URL: 'https://github.example' })).toEqual({
      buildDefinition: {
        buildType: 'https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1',
        externalParameters: {
          workflow: { ref: 'refs/heads/main', repository, path: '.github/workflows/train.yml' },
        },
        internalParameters: { github: { event_name: 'push', repository_id: '1', repository_owner_id: '2' } },
        resolvedDependencies: [{ uri: `git+${repository}@refs/heads/main`, digest: { gitCommit: COMMIT } }],
      },
      runDetails: {
        builder: { id: 'https://github.com/actions/runner/self-hosted' },
        metadata: { invocationId: `${repository}/actions/runs/3/attempts/4` },
      },
    })
    expect(JSON.stringify(provenanceOfEnvironment(GITHUB))).not.toMatch(/user|secret/)
  })

  test('in GitLab', () => {
    const source = 'http://gitlab.example/acme/vad'
    const { CI_CONFIG_PATH, CI_JOB_STARTED_AT, ...needed } = GITLAB
    expect([CI_CONFIG_PATH, CI_JOB_STARTED_AT]).toHaveLength(2)
    const made = provenanceOfEnvironment(GITLAB)
    expect(made).toEqual({
      buildDefinition: {
        buildType: 'urn:modelseal:build-type:gitlab-ci:0.1',
        externalParameters: { source, ref: 'main', entryPoint: 'train', config: '.ci.yml' },
        internalParameters: { pipelineId: '6', pipelineSource: 'push', projectId: '1' },
        resolvedDependencies: [{ uri: `git+${source}@main`, digest: { gitCommit: 'a'.repeat(64) } }],
      },
      runDetails: {
        builder: { id: `${source}/-/runners/7` },
        metadata: { invocationId: GITLAB.CI_JOB_URL, startedOn: '2026-11-01T00:00:00Z' },
      },
    })
    const less = provenanceOfEnvironment(needed)
    expect(less?.buildDefinition.externalParameters).toEqual({ source, ref: 'main', entryPoint: 'train' })
    expect(less?.runDetails.metadata).toEqual({ invocationId: GITLAB.CI_JOB_URL })
  })

  test('in Buildkite', () => {
    const source = 'git+https://git.example/acme/vad.git'
    expect(provenanceOfEnvironment(BUILDKITE)).toEqual({
      buildDefinition: {
        buildType: 'urn:modelseal:build-type:buildkite:0.1',
        externalParameters: { source, pipeline: 'vad', branch: 'main', tag: 'v1', step: 'train' },
        internalParameters: { buildId: 'b-8', buildSource: 'webhook' },
        resolvedDependencies: [{ uri: `${source}@main`, digest: { gitCommit: COMMIT } }],
      },
      runDetails: {
        builder: { id: 'https://buildkite.example/ac%20me' },
        metadata: { invocationId: 'https://buildkite.example/acme/vad/builds/8#j-9' },
      },
    })
  })

  test('nothing outside of the known systems', () => {
    expect(provenanceOfEnvironment({})).toBeUndefined()
    expect(provenanceOfEnvironment({ ...GITHUB, GITHUB_ACTIONS: 'false' })).toBeUndefined()
    expect(provenanceOfEnvironment(Object.create(GITHUB) as CiVariables)).toBeUndefined()
  })
})

describe('a variable is refused', () => {
  const refused = (environment: CiVariables, details: object) =>
    expect(() => provenanceOfEnvironment(environment)).toThrow(refusal('ATTESTATION_INPUT', details))

  test('if it is missing', () => {
    for (const GITHUB_SHA of [undefined, ''])
      refused(
        { ...GITHUB, GITHUB_SHA },
        {
          expected: 'a value',
          found: 'nothing',
          message: expect.stringMatching(/environment of GitHub Actions: the variable GITHUB_SHA /) as string,
        },
      )
  })

  test.each(['HEAD', COMMIT.slice(1), `${COMMIT}0`, COMMIT.toUpperCase(), `x${COMMIT}`, `${'a'.repeat(64)}a`])(
    'if it is no commit: %s',
    (commit) => {
      const details = { expected: 'the full hash of a commit', found: `"${commit}"` }
      refused({ ...GITHUB, GITHUB_SHA: commit }, details)
      refused({ ...GITLAB, CI_COMMIT_SHA: commit }, details)
      refused({ ...BUILDKITE, BUILDKITE_COMMIT: commit }, details)
    },
  )

  test.each(['/srv/git', 'ftp://user:hunter2@host/x', 'file:///x', 'host'])('if it is no URL: %s', (url) => {
    const details = { expected: 'a URL with https:', found: undefined }
    refused({ ...GITLAB, CI_PROJECT_URL: url }, details)
    refused({ ...BUILDKITE, BUILDKITE_REPO: url }, details)
  })

  test.each([
    'acme/vad',
    'acme/vad/w.yml',
    'acme/vad/w.yml@main',
    'acme/w.yml@refs/x',
    'acme/vad/@refs/x',
    'acme/vad/w.yml@refs/',
    '/acme/vad/w.yml@refs/heads/main',
    'acme/vad/w.yml@refs/heads/main\n',
  ])('if it is no workflow: %j', (workflow) => {
    refused(
      { ...GITHUB, GITHUB_WORKFLOW_REF: workflow },
      {
        expected: 'OWNER/NAME/PATH@refs/…',
        found: `"${workflow.replace('\n', '\\u{a}')}"`,
        message: expect.stringContaining('the variable GITHUB_WORKFLOW_REF ') as string,
      },
    )
  })

  test('if it is that of another system', () => {
    refused(
      { ...GITLAB, ...BUILDKITE },
      { expected: 'one CI system', found: 'GitLab CI/CD (GITLAB_CI), Buildkite (BUILDKITE)' },
    )
  })
})

test.each([
  ['git@host.example:acme/vad.git', 'git+ssh://git@host.example/acme/vad.git'],
  ['a.b-c@host.example:x', 'git+ssh://a.b-c@host.example/x'],
  ['ssh://git@host.example/x', 'git+ssh://git@host.example/x'],
  ['ssh://host.example/x', 'git+ssh://host.example/x'],
  ['https://user:secret@host.example/x/', 'git+https://host.example/x'],
  ['https://user@host.example:8080/x', 'git+https://host.example:8080/x'],
  ['https://user:secret@host.example/ssh://a/b', 'git+https://host.example/ssh://a/b'],
])('the repository %s is at %s', (repository, location) => {
  const made = provenanceOfEnvironment({ ...BUILDKITE, BUILDKITE_REPO: repository })
  expect(made?.buildDefinition.externalParameters['source']).toBe(location)
})

test.each(['ssh://git:secret@host.example/x', 'ssh://', 'git@host.example://x', 'git@host.example:x\ny'])(
  'the repository %j has no place that could be shown',
  (repository) => {
    expect(() => provenanceOfEnvironment({ ...BUILDKITE, BUILDKITE_REPO: repository })).toThrow(
      refusal('ATTESTATION_INPUT', { found: undefined }),
    )
  },
)
