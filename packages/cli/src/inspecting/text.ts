import type { LineageNode } from '@modelseal/core/attestation'
import { summary } from '../output.ts'
import { lineageRows } from './lineage-rows.ts'
import type { Table, Value } from '../pages/content.ts'
import { capital, type Report, type Section, type Show } from './report.ts'

/** The report for a terminal. Names and values of unknown origin are quoted in it. */
export function reportLines(report: Report, show: Show): string[] {
  const { status, facts, attestations, more, contradictions, lineage, bundles } = report
  const word = (value: Value) => (typeof value === 'string' ? value : show(value.address))
  const sectionLines = ({ heading, status: belief, facts: own, tables, texts }: Section): string[] => {
    const values = own.map(([name, value]) => [name, word(value)] as const)
    const head = belief ? `${belief.words.toUpperCase()}: ${heading}` : heading
    return [
      '',
      ...summary(head, belief ? [['because', belief.why], ...values] : values),
      ...tables.flatMap(tableLines),
      ...texts.flatMap(({ name, text, more: left }) =>
        belief ? quotedLines(name, text, left > 0) : [`${name}:`, ...text.split('\n').map((line) => `  ${line}`)],
      ),
    ]
  }
  return [
    `${status.words}. ${status.why}`,
    ...(facts.length > 0
      ? summary(
          '',
          facts.map(([name, value]) => [name, word(value)] as const),
        ).slice(1)
      : []),
    ...attestations.flatMap(sectionLines),
    ...(more > 0 ? ['', `And ${more} more attestations (see --json).`] : []),
    ...(contradictions.rows.length > 0 ? ['', 'CONTRADICTIONS', ...tableLines(contradictions)] : []),
    ...(lineage ? ['', 'Lineage, according to the provenance statements', ...treeLines(lineage, show)] : []),
    ...bundles.flatMap(sectionLines),
  ]
}

const MOST_LINES = 12
const LONGEST_LINE = 160

/** A mark before each line tells them from the lines of the report. */
function quotedLines(name: string, text: string, isCut: boolean): string[] {
  const all = text.trimEnd().split('\n')
  const lines = all.slice(0, MOST_LINES)
  const hasMore = isCut || all.length > lines.length || lines.some((line) => line.length > LONGEST_LINE)
  return [
    `  ${capital(name)}:`,
    ...lines.map((line) => `    | ${line.slice(0, LONGEST_LINE)}`),
    ...(hasMore ? ['    and more (see --json)'] : []),
  ]
}

const WIDEST = 40

function tableLines({ caption, header, rows, more }: Table): string[] {
  // Two columns are read without being aligned, even if one of the names is long.
  const widest = header.length > 2 ? WIDEST : 0
  const widths = header.map((_, column) =>
    Math.min(widest, Math.max(header[column]?.length ?? 0, ...rows.map((row) => row[column]?.length ?? 0))),
  )
  const line = (cells: readonly string[]) =>
    `    ${cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()}`
  return [
    `  ${caption}:`,
    ...(header.length > 2 ? [line(header)] : []),
    ...rows.map(line),
    ...(more > 0 ? [`    and ${more} more (see --json)`] : []),
  ]
}

function treeLines(root: LineageNode, show: Show): string[] {
  return lineageRows(root, show).map(
    ({ depth, words, note }) => `  ${'    '.repeat(depth)}${words}${note && ` [${note}]`}`,
  )
}
