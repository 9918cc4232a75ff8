import { inline } from '../../packages/cli/src/inspecting/markdown.ts'
import type { Section } from './run-action.ts'

/** A name, and its value; what has no value is left out. */
export type Fact = readonly [name: string, value: string | undefined]

/** A part of the summary, in Markdown. Nothing that a model, a bundle or a service says has a meaning in it. */
export function sectionOf({ title, facts, failure }: Section): string {
  const rows = facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  const problems = failure?.problems ?? []
  return [
    `### ${inline(title)}`,
    ...(failure ? [`**${inline(failure.code)}**: ${inline(failure.message)}`] : []),
    ...(rows.length > 0 ? [table(['', ''], rows)] : []),
    ...(problems.length > 1
      ? [
          table(
            ['file', 'problem'],
            problems.slice(0, MOST).map(({ file, code }) => [file, code]),
          ),
        ]
      : []),
    ...(problems.length > MOST ? [`And ${problems.length - MOST} more.`] : []),
    '',
  ].join('\n\n')
}

/** Summaries may not exceed a megabyte, and nobody reads more lines. */
const MOST = 50

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(inline).join(' | ')} |`
  return [line(header), `|${' --- |'.repeat(header.length)}`, ...rows.map(line)].join('\n')
}
