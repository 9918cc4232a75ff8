import * as s from '../../schema/define.ts'
import { kindsOfType, NAMED_KINDS, namedKind } from '../../attestation/kinds/named-kinds.ts'
import { isTypeName } from '../../attestation/type-name.ts'
import { signerSchema } from '../methods/methods.ts'
import { durationSchema, globSchema, REACHABLE } from '../schema/text.ts'

/** `require.attestations`: what signed statements about a model must say. */

const scalar = s.union([s.string().min(1).max(4096), s.number(), s.boolean()])

const comparisons = {
  equals: scalar.optional().describe('The value must be this one.'),
  oneOf: s.array(scalar).min(1).optional().describe('The value must be one of these.'),
  atLeast: s.number().optional().describe('The number must not be less. Numbers are compared as decimals.'),
  atMost: s.number().optional().describe('The number must not be greater.'),
  pattern: globSchema.optional().describe('A glob that must match the whole text.'),
  exists: s
    .boolean()
    .refine((value) => value, 'expected true: nothing can depend on the absence of a statement')
    .inJson({ const: true })
    .optional()
    .describe('There must be a value.'),
}

const COMPARISONS = Object.keys(comparisons) as (keyof typeof comparisons)[]
const OF_METRICS = ['dataset', 'slice', 'unit'] as const

const datasetSchema = s
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected the digest of the dataset: sha256: and 64 lowercase hex digits')

const conditionSchema = s
  .strictObject({
    field: s.string().min(1).max(200).optional().describe('A field of the statement, such as licence or builder.'),
    metric: s.string().min(1).max(200).optional().describe('A metric of an evaluation, such as accuracy.'),
    dataset: datasetSchema.optional().describe('Only measurements with this dataset count. Default: all of them.'),
    slice: s.string().min(1).max(200).optional().describe('The part of the dataset. Default: the whole dataset.'),
    unit: s.string().min(1).max(100).optional().describe('The unit of the value. Default: a number without a unit.'),
    ...comparisons,
  })
  .withCheck((condition, report) => {
    if ((condition.field === undefined) === (condition.metric === undefined))
      report({ message: 'expected either a field or a metric' })
    if (COMPARISONS.every((name) => condition[name] === undefined))
      report({ message: `expected a comparison: ${COMPARISONS.join(', ')}` })
    if (condition.metric !== undefined && condition.pattern !== undefined)
      report({ path: ['pattern'], message: 'expected no pattern: metrics are numbers' })
    for (const name of OF_METRICS)
      if (condition.metric === undefined && condition[name] !== undefined)
        report({ path: [name], message: 'expected only together with a metric' })
  })
  .inJson({
    oneOf: [{ required: ['field'] }, { required: ['metric'] }],
    anyOf: COMPARISONS.map((name) => ({ required: [name] })),
    if: { required: ['metric'] },
    then: { properties: { pattern: false } },
    else: { properties: Object.fromEntries(OF_METRICS.map((name) => [name, false])) },
  })

const typeSchema = s
  .string()
  .min(1)
  .max(2048)
  .withCheck((type, report) => {
    const names = NAMED_KINDS.map(({ name }) => name)
    if (!isTypeName(type))
      report({ message: `expected ${names.join(', ')}, or the URI of a predicate type`, values: names })
    if (/^https:\/\/model_signing\//i.test(type))
      report({ message: 'expected no type of model signatures: "signers" says who must have signed the model' })
  })
  .inJson({
    anyOf: [{ enum: NAMED_KINDS.map(({ name }) => name) }, { pattern: '^[A-Za-z][A-Za-z0-9+.\\-]*:\\S+$' }],
    not: { pattern: '^[hH][tT]{2}[pP][sS]://[mM][oO][dD][eE][lL]_[sS][iI][gG][nN][iI][nN][gG]/' },
  })
  .describe('The kind of the attestation, or the URI of its predicate type.')

const attestationSchema = s
  .strictObject({
    type: typeSchema,
    signers: s
      .array(signerSchema)
      .min(1)
      .optional()
      .describe('Whose attestations count. Default: the signers of the rule.'),
    threshold: s.int().min(1).optional().describe('The number of distinct signers whose attestations must satisfy it.'),
    maxAge: durationSchema.optional().describe('The maximum age, counted from the time that the attestation states.'),
    where: s.array(conditionSchema).min(1).max(64).optional().describe('One attestation must meet all of these.'),
  })
  .withCheck(({ type, signers, threshold = 1, maxAge, where = [] }, report) => {
    if (signers && threshold > signers.length)
      report({
        path: ['threshold'],
        message: `expected at most ${signers.length}, the number of signers`,
        input: threshold,
      })
    const kind = namedKind(type)
    const sharing = kindsOfType(type)
    const instead = sharing.length > 1 ? `; name the kind instead: ${sharing.map(({ name }) => name).join(' or ')}` : ''
    if (!kind && maxAge !== undefined)
      report({
        path: ['maxAge'],
        message: `expected no maximum age: where statements of this type state their time is not known${instead}`,
        input: maxAge,
      })
    for (const [index, { field, metric }] of where.entries()) {
      if (metric !== undefined && kind?.hasMetrics !== true)
        report({
          path: ['where', String(index), 'metric'],
          message: kind
            ? `expected a field: ${kind.what} has no metrics`
            : `expected a field: the metrics of this type are not known${instead}`,
          input: metric,
        })
      if (kind && field !== undefined && !kind.fields.includes(field)) {
        const values = kind.fields
        report({
          path: ['where', String(index), 'field'],
          message: `expected a field of ${kind.what}: ${values.join(', ')}`,
          input: field,
          values,
        })
      }
    }
  })
  .inJson({ allOf: [...REACHABLE, ...ofKinds()] })

/** For the JSON Schema: the fields of each kind, and what only known kinds have. */
function ofKinds(): object[] {
  const named = NAMED_KINDS.map((kind) => ({
    names: [kind.name, ...kind.types].filter((name) => namedKind(name) === kind),
    fields: { field: { enum: kind.fields }, ...(!kind.hasMetrics && { metric: false }) },
  }))
  const typed = (names: readonly string[]) => ({ required: ['type'], properties: { type: { enum: names } } })
  const conditions = (properties: object) => ({ where: { items: { properties } } })
  return [
    ...named.map(({ names, fields }) => ({ if: typed(names), then: { properties: conditions(fields) } })),
    {
      if: typed(named.flatMap(({ names }) => names)),
      else: { properties: { maxAge: false, ...conditions({ metric: false }) } },
    },
  ]
}

/** The field of `require`. */
export const attestationFields = {
  attestations: s
    .array(attestationSchema)
    .min(1)
    .max(64)
    .optional()
    .describe('Signed statements about the model, such as an evaluation. All of them must be there.'),
}

/** A requirement of attestations as written in the policy. */
export type AttestationText = s.Infer<typeof attestationSchema>
export type ConditionText = s.Infer<typeof conditionSchema>
