// Writes the JSON Schemas of evaluations and advisory feeds, for editors and other tools, from their definitions in
// packages/core/src/attestation/kinds/evaluation.ts and packages/core/src/policy/advisories/. Run it after a change there.
import { writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import {
  evaluationJsonSchema,
  evaluationPredicateJsonSchema,
} from '../packages/core/src/attestation/kinds/evaluation.ts'
import { feedPredicateJsonSchema } from '../packages/core/src/policy/advisories/feed-schema.ts'

const SCHEMAS = {
  'evaluation.schema.json': evaluationJsonSchema(),
  'evaluation-predicate.schema.json': evaluationPredicateJsonSchema(),
  'advisory-feed-predicate.schema.json': feedPredicateJsonSchema(),
}
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const target = new URL(`../packages/core/${name}`, import.meta.url)
  const text = JSON.stringify(schema, null, 2)
  writeFileSync(target, await format(text, { ...(await resolveConfig(target)), parser: 'json' }))
}
