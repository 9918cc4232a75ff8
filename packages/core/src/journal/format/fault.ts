import type { Issue } from '../../schema/issue.ts'
import type { Schema } from '../../schema/schema.ts'

/** What is wrong with a part of a journal, as a clause. */
export function firstFault([issue]: readonly [Issue, ...Issue[]]): string {
  const where = issue.path.map(String).join('.')
  return where === '' ? issue.message : `${where}: ${issue.message}`
}

/** What a text of JSON contains, if it is what a schema describes. */
export function parsedBy<Value>(schema: Schema<Value>, text: string): { value: Value } | { fault: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return { fault: 'it is not JSON' }
  }
  const checked = schema.check(parsed)
  return 'value' in checked ? { value: checked.value } : { fault: firstFault(checked.issues) }
}
