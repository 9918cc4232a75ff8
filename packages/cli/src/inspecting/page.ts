import { banner, badge, factList, htmlPage, left, part, table } from '../pages/html.ts'
import type { Table } from '../pages/content.ts'
import { treeFigure } from '../pages/tree-drawing.ts'
import { escaped, visible } from '../pages/visible.ts'
import { lineageRows } from './lineage-rows.ts'
import type { Report, Section } from './report.ts'

/** The report as an HTML page in one file. */
export function reportPage(report: Report): string {
  const { title, status, facts, attestations, more, overview, contradictions, bundles } = report
  return htmlPage({
    title: `${title}: what is known about this model`,
    kind: 'Model',
    heading: title,
    header: `${banner(status)}
${factList(facts)}`,
    main: `${part('overview', 'Attestations', overview.rows.length === 0 ? '<p>Nothing was attested about this model.</p>' : table(overview, idOf))}
${contradictions.rows.length === 0 ? '' : part('contradictions', 'Contradictions', table(contradictions))}
${lineagePart(report)}
${attestations.length === 0 ? '' : part('statements', 'Statements', attestations.map((one, index) => section(one, index)).join('\n') + left(more, 'attestations'))}
${part('signatures', 'Signatures', bundles.map((one) => section(one)).join('\n'))}`,
    footer: 'Written by modelseal inspect. The page is not signed: anyone who has the file can change it.',
  })
}

/** @param index of an attestation, to which its row in the overview leads */
function section({ heading, status, facts, tables, texts }: Section, index?: number): string {
  const long = texts.map(
    ({ name, text, more }) =>
      `<details><summary>${escaped(name.charAt(0).toUpperCase() + name.slice(1))}</summary><pre tabindex="0">${escaped(text)}</pre>${left(more, 'characters')}</details>`,
  )
  return `<article${index === undefined ? '' : ` id="${idOf(index)}" tabindex="-1"`}${status ? ` class="${status.tone}"` : ''}>
<h3>${escaped(heading)}${status ? ` ${badge(status)}` : ''}</h3>
${status ? `<p>${escaped(status.why)}</p>` : ''}
${tables.map((one) => (one.rows.length > MOST_OPEN ? folded(one) : table(one))).join('\n')}
${factList(facts)}
${long.join('\n')}
</article>`
}

/** Longer tables begin closed. */
const MOST_OPEN = 20

function folded(one: Table): string {
  return `<details><summary>${escaped(one.caption)} (${one.rows.length + one.more})</summary>${table(one)}</details>`
}

function idOf(index: number): string {
  return `statement-${index + 1}`
}

function lineagePart({ lineage }: Report): string {
  if (!lineage) return ''
  const rows = lineageRows(lineage, visible)
  const label = `Drawing of the lineage: ${rows.length} models and datasets`
  const figure = treeFigure(rows, label, 'Solid lines are believed, dashed ones are not. The list below says the same.')
  return part(
    'lineage',
    'Lineage',
    `<p>What the model was made from, according to the provenance statements.</p>\n${figure}`,
  )
}
