import * as s from './define.ts'

const A_TIME = 'expected a time with a time zone, such as 2026-01-31T00:00:00Z'
// RFC 3339, 5.6. The first part lists the days that exist.
const DATE_TIME =
  /^(?:(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|[13579][26]00)-02-29|\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|(?:02)-(?:0[1-9]|1\d|2[0-8])))T(?:(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|([+-](?:[01]\d|2[0-3]):[0-5]\d)))$/

/** RFC 3339 with a time zone: a bare date means different moments to different readers. */
export const timeSchema = s
  .string(A_TIME)
  .regex(DATE_TIME, A_TIME)
  .inJson({ format: 'date-time' })
  .describe('RFC 3339, with a time zone.')
