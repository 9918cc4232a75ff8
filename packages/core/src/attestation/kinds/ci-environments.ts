import { ModelSealError, shown } from '../../errors.ts'
import type { Provenance } from './provenance.ts'
import { defined } from './values.ts'

/** Environment variables by name. */
export type CiVariables = Readonly<Record<string, string | undefined>>

/** A continuous integration system, and what its variables say about the build that runs in it. */
interface CiSystem {
  name: string
  /** It sets this variable to `true`. */
  variable: string
  provenanceOf(variables: Variables): Provenance
}

/**
 * https://docs.github.com/actions/reference/variables-reference. The shape is that of the build type that the SLSA community defined for
 * GitHub Actions, and npm uses.
 */
const githubActions: CiSystem = {
  name: 'GitHub Actions',
  variable: 'GITHUB_ACTIONS',
  provenanceOf(variables) {
    const repository = variables.url('GITHUB_SERVER_URL', `/${variables.text('GITHUB_REPOSITORY')}`)
    const workflow = variables.text('GITHUB_WORKFLOW_REF')
    // OWNER/NAME/PATH@REF. The path may contain "@".
    const [, path, ref] = /^[^/]+\/[^/]+\/(.+?)@(refs\/.+)$/.exec(workflow) ?? []
    if (path === undefined || ref === undefined)
      throw variables.fault('GITHUB_WORKFLOW_REF', 'OWNER/NAME/PATH@refs/…', shown(workflow))
    const run = `${variables.text('GITHUB_RUN_ID')}/attempts/${variables.text('GITHUB_RUN_ATTEMPT')}`
    return {
      buildDefinition: {
        buildType: 'https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1',
        externalParameters: { workflow: { ref, repository, path } },
        internalParameters: {
          github: {
            event_name: variables.text('GITHUB_EVENT_NAME'),
            repository_id: variables.text('GITHUB_REPOSITORY_ID'),
            repository_owner_id: variables.text('GITHUB_REPOSITORY_OWNER_ID'),
          },
        },
        resolvedDependencies: [
          {
            uri: `git+${repository}@${variables.text('GITHUB_REF')}`,
            digest: { gitCommit: variables.commit('GITHUB_SHA') },
          },
        ],
      },
      runDetails: {
        builder: { id: `https://github.com/actions/runner/${variables.text('RUNNER_ENVIRONMENT')}` },
        metadata: { invocationId: `${repository}/actions/runs/${run}` },
      },
    }
  },
}

/** https://docs.gitlab.com/ci/variables/predefined_variables/ */
const gitlab: CiSystem = {
  name: 'GitLab CI/CD',
  variable: 'GITLAB_CI',
  provenanceOf(variables) {
    const project = variables.url('CI_PROJECT_URL')
    const startedOn = variables.optional('CI_JOB_STARTED_AT')
    const ref = variables.text('CI_COMMIT_REF_NAME')
    return {
      buildDefinition: {
        buildType: 'urn:modelseal:build-type:gitlab-ci:0.1',
        externalParameters: {
          source: project,
          ref,
          entryPoint: variables.text('CI_JOB_NAME'),
          ...defined({ config: variables.optional('CI_CONFIG_PATH') }),
        },
        internalParameters: {
          pipelineId: variables.text('CI_PIPELINE_ID'),
          pipelineSource: variables.text('CI_PIPELINE_SOURCE'),
          projectId: variables.text('CI_PROJECT_ID'),
        },
        resolvedDependencies: [
          { uri: `git+${project}@${ref}`, digest: { gitCommit: variables.commit('CI_COMMIT_SHA') } },
        ],
      },
      runDetails: {
        builder: { id: `${project}/-/runners/${variables.text('CI_RUNNER_ID')}` },
        metadata: { invocationId: variables.url('CI_JOB_URL'), ...defined({ startedOn }) },
      },
    }
  },
}

/** https://buildkite.com/docs/pipelines/configure/environment-variables */
const buildkite: CiSystem = {
  name: 'Buildkite',
  variable: 'BUILDKITE',
  provenanceOf(variables) {
    const build = variables.url('BUILDKITE_BUILD_URL')
    const repository = variables.repository('BUILDKITE_REPO')
    const branch = variables.text('BUILDKITE_BRANCH')
    const organization = variables.text('BUILDKITE_ORGANIZATION_SLUG')
    return {
      buildDefinition: {
        buildType: 'urn:modelseal:build-type:buildkite:0.1',
        externalParameters: {
          source: repository,
          pipeline: variables.text('BUILDKITE_PIPELINE_SLUG'),
          branch,
          ...defined({ tag: variables.optional('BUILDKITE_TAG'), step: variables.optional('BUILDKITE_STEP_KEY') }),
        },
        internalParameters: {
          buildId: variables.text('BUILDKITE_BUILD_ID'),
          buildSource: variables.text('BUILDKITE_SOURCE'),
        },
        resolvedDependencies: [
          { uri: `${repository}@${branch}`, digest: { gitCommit: variables.commit('BUILDKITE_COMMIT') } },
        ],
      },
      runDetails: {
        builder: { id: new URL(`/${encodeURIComponent(organization)}`, build).href },
        metadata: { invocationId: `${build}#${variables.text('BUILDKITE_JOB_ID')}` },
      },
    }
  },
}

const SYSTEMS = [githubActions, gitlab, buildkite]

/**
 * The provenance of what the current CI job makes, as its variables describe it. Any step of a job can set them, so the signer has to vouch for them.
 *
 * @returns undefined outside of the known systems
 * @throws {@link ModelSealError} `ATTESTATION_INPUT` for a variable that is missing or invalid, and if several systems seem to run
 */
export function provenanceOfEnvironment(environment: CiVariables): Provenance | undefined {
  const [system, ...others] = SYSTEMS.filter(({ variable }) => valueIn(environment, variable) === 'true')
  if (!system) return undefined
  if (others.length > 0) {
    throw new ModelSealError(
      'ATTESTATION_INPUT',
      'Cannot make a provenance statement: the environment variables are those of several CI systems.',
      {
        expected: 'one CI system',
        found: [system, ...others].map(({ name, variable }) => `${name} (${variable})`).join(', '),
      },
    )
  }
  return system.provenanceOf(new Variables(environment, system.name))
}

/** The variables of one system. Values that may have credentials are not shown. */
class Variables {
  readonly #environment: CiVariables
  readonly #system: string

  constructor(environment: CiVariables, system: string) {
    this.#environment = environment
    this.#system = system
  }

  optional(name: string): string | undefined {
    return valueIn(this.#environment, name) || undefined
  }

  text(name: string): string {
    const value = this.optional(name)
    if (value === undefined) throw this.fault(name, 'a value', 'nothing')
    return value
  }

  /** SHA-1 or SHA-256. Buildkite has `HEAD` until it knows the commit. */
  commit(name: string): string {
    const value = this.text(name)
    if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value)) return value
    throw this.fault(name, 'the full hash of a commit', shown(value))
  }

  /** Without user and password. */
  url(name: string, path = ''): string {
    const value = `${this.text(name)}${path}`
    const url = URL.canParse(value) ? new URL(value) : undefined
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw this.fault(name, 'a URL with https:')
    return Object.assign(url, { username: '', password: '' }).href.replace(/\/$/, '')
  }

  /** The download location of a repository (SPDX 2.3, 7.7). Repositories may be named as for SSH, `USER@HOST:PATH`. */
  repository(name: string): string {
    const [, account, path] = /^([\w.-]+@[\w.-]+):(?!\/\/)(.+)$/.exec(this.text(name)) ?? []
    if (account !== undefined) return `git+ssh://${account}/${path}`
    return /^ssh:\/\/[^:@]+(?:@|\/)/.test(this.text(name)) ? `git+${this.text(name)}` : `git+${this.url(name)}`
  }

  fault(name: string, expected: string, found?: string): ModelSealError {
    return new ModelSealError(
      'ATTESTATION_INPUT',
      `Cannot make a provenance statement from the environment of ${this.#system}: the variable ${name} is missing or invalid.`,
      { expected, found },
    )
  }
}

function valueIn(environment: CiVariables, name: string): string | undefined {
  return Object.hasOwn(environment, name) ? environment[name] : undefined
}
