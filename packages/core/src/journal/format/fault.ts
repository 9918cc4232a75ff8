import type { Issue } from '../../schema/issue.ts'

/** What is wrong with a part of a journal, as a clause. */
export function firstFault([issue]: readonly [Issue, ...Issue[]]): string {
  const where = issue.path.map(String).join('.')
  return where === '' ? issue.message : `${where}: ${issue.message}`
}
