import { ModelSealError, shown } from '../../errors.ts'
import { timeSchema } from '../../schema/time.ts'
import { provenanceOfEnvironment, type CiVariables } from './ci-environments.ts'
import { faultsIn, readBy } from './kind.ts'
import { checkOrder, provenance, ROLE_ANNOTATION, type LineageRole, type Provenance } from './provenance.ts'
import { isUri } from '../type-name.ts'
import { defined, isSha256, type ResourceDescriptor } from './values.ts'

/** What a provenance statement is made from. Builder and build type are given together; by default, they are those of the CI environment. */
export interface ProvenanceInput {
  /** URI of the platform that made the model. */
  builder?: string
  /** URI that says how to understand the parameters. */
  buildType?: string
  /** External parameters of the build. */
  parameters?: Readonly<Record<string, string>>
  /** Identifies the run of the build. */
  invocation?: string
  /** RFC 3339, with a time zone. In a CI environment, the default of `finishedOn` is now. */
  startedOn?: string
  finishedOn?: string
  /** Each `NAME=sha256:HEX`, with the root digest. The name may be a URL. */
  baseModels?: readonly string[]
  datasets?: readonly string[]
}

/**
 * Makes the predicate of a provenance statement: how a model was made, and from which base models and datasets.
 *
 * @param environment the variables of the process
 * @throws {@link ModelSealError} `ATTESTATION_INPUT`
 *
 * @example
 * ```ts
 * makeProvenance({ baseModels: [`hf://org/base=${rootDigest}`] }, process.env)
 * ```
 */
export function makeProvenance(input: ProvenanceInput, environment: CiVariables = {}): Provenance {
  const { buildDefinition, runDetails } =
    input.builder === undefined && input.buildType === undefined
      ? fromEnvironment(input, environment)
      : fromOptions(input)
  const { invocation: invocationId, startedOn, finishedOn } = input
  const dependencies = [
    ...(buildDefinition.resolvedDependencies ?? []),
    ...(input.baseModels ?? []).map((text) => ancestorOf('base-model', text)),
    ...(input.datasets ?? []).map((text) => ancestorOf('dataset', text)),
  ]
  const metadata = { ...runDetails.metadata, ...defined({ invocationId, startedOn, finishedOn }) }
  const made: Provenance = {
    buildDefinition: {
      ...buildDefinition,
      ...(dependencies.length > 0 && { resolvedDependencies: dependencies }),
    },
    runDetails: { ...runDetails, ...(Object.keys(metadata).length > 0 && { metadata }) },
  }
  checkTimes(metadata, input)
  provenance.read({ ...made }, inputFault)
  return made
}

const inputFault = faultsIn('ATTESTATION_INPUT', 'Cannot make a provenance statement', undefined)

/** Errors name the option of {@link ProvenanceInput}. */
function checkTimes(metadata: { startedOn?: string; finishedOn?: string }, input: ProvenanceInput): void {
  for (const name of ['startedOn', 'finishedOn'] as const) {
    const time = input[name]
    if (time === undefined) continue
    readBy(timeSchema, time, (_, ...about) => inputFault(name, ...about))
    if (Date.parse(time) > Date.now()) throw inputFault(name, 'a time that is not in the future', time)
  }
  // The clocks of a CI system and of its runner may differ.
  if (input.startedOn === undefined && input.finishedOn === undefined) return
  const name = input.finishedOn === undefined ? 'startedOn' : 'finishedOn'
  checkOrder(metadata, (...about) => inputFault(name, ...about))
}

function fromEnvironment({ parameters }: ProvenanceInput, environment: CiVariables): Provenance {
  const read = provenanceOfEnvironment(environment)
  if (!read) {
    throw unusable('this is not a known CI environment, and no builder is given', {
      expected: 'GitHub Actions, GitLab CI/CD or Buildkite, or a builder and a build type',
      hint: 'Give the options "builder" and "buildType" (on the command line, --builder and --build-type).',
    })
  }
  // The build type says which parameters there are.
  if (parameters && Object.keys(parameters).length > 0) throw unusable('parameters need a builder and a build type', {})
  const { metadata } = read.runDetails
  const runDetails = { ...read.runDetails, metadata: { ...metadata, finishedOn: new Date().toISOString() } }
  return { ...read, runDetails }
}

function fromOptions({ builder, buildType, parameters = {} }: ProvenanceInput): Provenance {
  if (builder === undefined || buildType === undefined) {
    const missing = builder === undefined ? 'the builder' : 'the build type'
    throw unusable(`${missing} is missing`, { expected: 'a builder and a build type, or neither' })
  }
  for (const [name, value] of Object.entries({ builder, buildType }))
    if (!isUri(value)) throw inputFault(name, 'a URI, such as https://ci.example/train/v1', value)
  return {
    buildDefinition: { buildType, externalParameters: { ...parameters } },
    runDetails: { builder: { id: builder } },
  }
}

function ancestorOf(role: LineageRole, text: string): ResourceDescriptor {
  const [, name, sha256] = /^(.+)=sha256:([^=]*)$/s.exec(text) ?? []
  if (name === undefined || sha256 === undefined || !isSha256(sha256)) {
    throw unusable(`${role === 'dataset' ? 'a dataset' : 'a base model'} is not named by its root digest`, {
      expected: 'NAME=sha256:HEX with 64 lowercase hex digits, as "modelseal digest" prints it',
      found: shown(text),
    })
  }
  return {
    ...(name.includes('://') ? { uri: name } : { name }),
    digest: { sha256 },
    annotations: { [ROLE_ANNOTATION]: role },
  }
}

function unusable(reason: string, details: { expected?: string; found?: string; hint?: string }): ModelSealError {
  return new ModelSealError('ATTESTATION_INPUT', `Cannot make a provenance statement: ${reason}.`, details)
}
