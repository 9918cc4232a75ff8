import * as z from 'zod'

type SchemasOf<Records extends readonly { schema: z.ZodType }[]> = {
  readonly [Index in keyof Records]: Records[Index]['schema']
}

/** The union of the schemas of several records. */
export function alternatives<const Records extends readonly { schema: z.ZodType }[]>(records: Records) {
  return z.union(records.map(({ schema }) => schema) as unknown as SchemasOf<Records>)
}
