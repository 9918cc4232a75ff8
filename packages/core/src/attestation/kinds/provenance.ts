import type { ModelSealError } from '../../errors.ts'
import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { cannotMake, readAttestationInput } from '../input.ts'
import { defineKind, faultsIn, readBy, type PredicateFault } from './kind.ts'
import {
  boundedList,
  boundedName,
  boundedRecord,
  boundedUri,
  digestsOf,
  isSha256,
  resourceSchema,
  unique,
  type ResourceDescriptor,
} from './values.ts'

/** SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance). Unknown fields are ignored, as it prescribes. */

/**
 * The annotation of a dependency that says what it was for: {@link LineageRole}. Such a dependency has a SHA-256 digest: the root digest,
 * if it is a signed model or dataset.
 */
export const ROLE_ANNOTATION = 'urn:modelseal:role:0.1'

/** What a model was made from. */
export type LineageRole = 'base-model' | 'dataset'

const parameters = boundedRecord(s.anything())

const provenanceSchema = s.openObject({
  buildDefinition: s.openObject({
    buildType: boundedUri,
    externalParameters: parameters,
    internalParameters: parameters.optional(),
    resolvedDependencies: boundedList(resourceSchema).optional(),
  }),
  runDetails: s.openObject({
    builder: s.openObject({
      id: boundedUri,
      version: boundedRecord(boundedName).optional(),
      builderDependencies: boundedList(resourceSchema).optional(),
    }),
    metadata: s
      .openObject({
        invocationId: boundedUri.optional(),
        startedOn: timeSchema.optional(),
        finishedOn: timeSchema.optional(),
      })
      .optional(),
    byproducts: boundedList(resourceSchema).optional(),
  }),
})

/** How a model was made, and from what. */
export interface Provenance {
  buildDefinition: {
    /** URI that says how to understand the parameters. */
    buildType: string
    /** Under the control of whoever started the build. */
    externalParameters: Readonly<Record<string, unknown>>
    internalParameters?: Readonly<Record<string, unknown>>
    resolvedDependencies?: readonly ResourceDescriptor[]
  }
  runDetails: {
    builder: {
      /** URI of the platform that is trusted to have made the model as described. */
      id: string
      version?: Readonly<Record<string, string>>
      builderDependencies?: readonly ResourceDescriptor[]
    }
    /** Times are RFC 3339. */
    metadata?: { invocationId?: string; startedOn?: string; finishedOn?: string }
    byproducts?: readonly ResourceDescriptor[]
  }
}

export const provenance = defineKind<Provenance>({
  name: 'provenance',
  what: 'a provenance statement',
  types: ['https://slsa.dev/provenance/v1'],
  read(predicate, fault) {
    const read = readBy(provenanceSchema, predicate, fault)
    checkRoles(dependenciesOf(read), fault)
    return read
  },
  make({ bytes, file }) {
    const json = readAttestationInput(bytes, file)
    const fault = faultsIn('ATTESTATION_INPUT', cannotMake('a provenance statement', file), file)
    const { metadata } = readBy(provenanceSchema, json, fault).runDetails
    checkOrder(metadata, (...about) => fault('runDetails.metadata.finishedOn', ...about))
    return json as object
  },
  statedAt: ({ runDetails: { metadata } }) => metadata?.finishedOn ?? metadata?.startedOn,
  fields: {
    builder: ({ runDetails }) => [runDetails.builder.id],
    'build-type': ({ buildDefinition }) => [buildDefinition.buildType],
    invocation: ({ runDetails }) => unique([runDetails.metadata?.invocationId]),
    source: (value) => sourcesOf(value).map(({ uri }) => uri),
    commit: (value) => sourcesOf(value).map(commitOf),
    'base-model': (value) => digestsOf(withRole(value, 'base-model')),
    dataset: (value) => digestsOf(withRole(value, 'dataset')),
    dependency: (value) => [
      ...unique(dependenciesOf(value).map(({ uri }) => uri)),
      ...digestsOf(dependenciesOf(value).map(({ digest = {} }) => digest['sha256'])),
    ],
  },
})

/** A model or dataset that a model was made from. */
export interface Ancestor {
  role: LineageRole
  /** Both are only hints. */
  name?: string
  uri?: string
  /** 64 lowercase hex digits; the root digest, if it is signed. */
  sha256: string
}

/** The base models and datasets that a provenance names by digest. */
export function lineage(value: Provenance): Ancestor[] {
  return dependenciesOf(value).flatMap(({ name, uri, digest = {}, annotations = {} }) => {
    const role = roleOf(annotations)
    const sha256 = digest['sha256']
    if (role === undefined || sha256 === undefined) return []
    return [{ role, ...(name !== undefined && { name }), ...(uri !== undefined && { uri }), sha256 }]
  })
}

function withRole(value: Provenance, role: LineageRole): string[] {
  return lineage(value).flatMap((one) => (one.role === role ? [one.sha256] : []))
}

function roleOf(annotations: Readonly<Record<string, unknown>>): LineageRole | undefined {
  const role = annotations[ROLE_ANNOTATION]
  return role === 'base-model' || role === 'dataset' ? role : undefined
}

/** Statements by others are read even so: two clocks may differ. */
export function checkOrder(
  { startedOn, finishedOn }: { startedOn?: string; finishedOn?: string } = {},
  fault: (expected: string, found: string) => ModelSealError,
): void {
  if (startedOn === undefined || finishedOn === undefined || Date.parse(startedOn) <= Date.parse(finishedOn)) return
  throw fault(`a time that is not before the start, ${startedOn}`, finishedOn)
}

/** A role that is not known is ignored, like any field that is not known. */
function checkRoles(dependencies: readonly ResourceDescriptor[], fault: PredicateFault): void {
  for (const [index, { digest = {}, annotations = {} }] of dependencies.entries()) {
    const path = `buildDefinition.resolvedDependencies[${index}]`
    const role = annotations[ROLE_ANNOTATION]
    if (role !== undefined && typeof role !== 'string')
      throw fault(`${path}.annotations.${ROLE_ANNOTATION}`, 'text', role)
    if (roleOf(annotations) !== undefined && !isSha256(digest['sha256']))
      throw fault(`${path}.digest.sha256`, 'a SHA-256 digest of 64 lowercase hex digits', digest['sha256'])
  }
}

function dependenciesOf({ buildDefinition }: Provenance): readonly ResourceDescriptor[] {
  return buildDefinition.resolvedDependencies ?? []
}

/** Where the code of the build came from: dependencies in Git. */
function sourcesOf(value: Provenance): ResourceDescriptor[] {
  return dependenciesOf(value).filter((one) => commitOf(one) !== undefined || one.uri?.startsWith('git+') === true)
}

function commitOf({ digest = {} }: ResourceDescriptor): string | undefined {
  return digest['gitCommit']
}
