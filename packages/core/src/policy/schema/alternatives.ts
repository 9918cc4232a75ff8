import * as s from '../../schema/define.ts'

type SchemasOf<Records extends readonly { schema: s.Schema<unknown> }[]> = {
  readonly [Index in keyof Records]: Records[Index]['schema']
}

/** The union of the schemas of several records. */
export function alternatives<const Records extends readonly { schema: s.Schema<unknown> }[]>(records: Records) {
  return s.union(records.map(({ schema }) => schema) as unknown as SchemasOf<Records>)
}
