import type { LineageNode } from '@modelseal/core/attestation'
import { lineageRows } from './lineage-rows.ts'
import type { Facts, Table } from '../pages/content.ts'
import type { Report, Section } from './report.ts'
import { visible, visibleLines } from '../pages/visible.ts'

/** The report in GitHub Flavored Markdown. Nothing in it has a meaning of its own: no link, image, HTML or formatting. */
export function reportMarkdown(report: Report): string {
  const { title, status, facts, attestations, more, overview, contradictions, lineage, bundles } = report
  return [
    `# Model ${inline(title)}`,
    `**${inline(status.words)}.** ${inline(status.why)}`,
    ...factLines(facts),
    ...(overview.rows.length > 0 ? ['## Attestations', ...tableLines(overview)] : []),
    ...(contradictions.rows.length > 0 ? ['## Contradictions', ...tableLines(contradictions)] : []),
    ...(lineage ? ['## Lineage', 'According to the provenance statements:', treeLines(lineage)] : []),
    ...(attestations.length > 0 ? ['## Statements', ...attestations.flatMap(sectionLines)] : []),
    ...(more > 0 ? [`And ${more} more attestations.`] : []),
    ...(bundles.length > 0 ? ['## Signatures', ...bundles.flatMap(sectionLines)] : []),
  ].join('\n\n')
}

function sectionLines({ heading, status, facts, tables, texts }: Section): string[] {
  return [
    `### ${inline(heading)}`,
    ...(status ? [`**${inline(status.words)}.** ${inline(status.why)}`] : []),
    ...factLines(facts),
    ...tables.flatMap(tableLines),
    ...texts.flatMap(({ name, text, more }) => [
      `${capitalized(name)}:`,
      fenced(text),
      ...(more > 0 ? [`And ${more} more characters.`] : []),
    ]),
  ]
}

function factLines(facts: Facts): string[] {
  if (facts.length === 0) return []
  return [
    facts
      .map(([name, value]) => `- ${inline(name)}: ${inline(typeof value === 'string' ? value : value.address)}`)
      .join('\n'),
  ]
}

function tableLines({ caption, header, rows, more }: Table): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(inline).join(' | ')} |`
  return [
    `${inline(caption)}:`,
    [line(header), `|${' --- |'.repeat(header.length)}`, ...rows.map(line)].join('\n'),
    ...(more > 0 ? [`And ${more} more.`] : []),
  ]
}

function treeLines(lineage: LineageNode): string {
  return lineageRows(lineage, visible)
    .map(({ depth, words, note }) => `${'  '.repeat(depth)}- ${inline(words)}${note && ` (${inline(note)})`}`)
    .join('\n')
}

/**
 * Text without any meaning in Markdown. Characters that could have one are written as entities, which CommonMark (6.2) never takes for
 * structure, and which split no cell of a table.
 */
export function inline(text: string): string {
  return (
    visible(text)
      .replace(/[&<>|`\\*~[\]{}#!$@]|:(?=\/\/)|(?<=www)\./gi, (char) => `&#${char.charCodeAt(0)};`)
      // What begins an item of a list, a line or indented code.
      .replace(/^[-+=\s]|(?<=^\d{1,9})[.)](?=\s|$)/, (char) => `&#${char.charCodeAt(0)};`)
      .replaceAll('_', '\\_')
  )
}

/** A block of code: no line of it can be taken for its end. */
function fenced(text: string): string {
  const lines = visibleLines(text)
  const longest = Math.max(2, ...(lines.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${lines}\n${fence}`
}

function capitalized(name: string): string {
  return inline(name.charAt(0).toUpperCase() + name.slice(1))
}
