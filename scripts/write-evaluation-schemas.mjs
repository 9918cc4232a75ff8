// Writes the JSON Schemas of evaluations, for editors and other tools, from their definition in
// packages/core/src/attestation/kinds/evaluation.ts. Run it after a change there.
import { writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import {
  evaluationJsonSchema,
  evaluationPredicateJsonSchema,
} from '../packages/core/src/attestation/kinds/evaluation.ts'

const SCHEMAS = {
  'evaluation.schema.json': evaluationJsonSchema(),
  'evaluation-predicate.schema.json': evaluationPredicateJsonSchema(),
}
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const target = new URL(`../packages/core/${name}`, import.meta.url)
  const text = JSON.stringify(schema, null, 2)
  writeFileSync(target, await format(text, { ...(await resolveConfig(target)), parser: 'json' }))
}
