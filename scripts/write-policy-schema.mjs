// Writes the JSON Schema of trust policies, for editors, from its definition in
// packages/core/src/policy/schema/schema.ts. Run it after a change there.
import { writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { policyJsonSchema } from '../packages/core/src/policy/schema/schema.ts'

const target = new URL('../packages/core/policy.schema.json', import.meta.url)
const text = JSON.stringify(policyJsonSchema(), null, 2)
writeFileSync(target, await format(text, { ...(await resolveConfig(target)), parser: 'json' }))
