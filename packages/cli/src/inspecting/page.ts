import { createHash } from 'node:crypto'
import { lineageDrawing } from './lineage-drawing.ts'
import { lineageRows } from './lineage-rows.ts'
import { PAGE_STYLE } from './page-style.ts'
import type { Facts, Report, Section, Status, Table, Value } from './report.ts'
import { escaped, visible, webAddress } from './visible.ts'

/**
 * The report as an HTML page in one file. It has no scripts and loads nothing, and its content security policy would allow neither. All
 * text passes {@link escaped}, whoever wrote it.
 */
export function reportPage(report: Report): string {
  const { title, status, facts, attestations, more, overview, contradictions, bundles } = report
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy()}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}: what is known about this model</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="kind">Model</p>
<h1>${escaped(title)}</h1>
${banner(status)}
${factList(facts)}
</header>
<main id="main">
${part('overview', 'Attestations', overview.rows.length === 0 ? '<p>Nothing was attested about this model.</p>' : table(overview, true))}
${contradictions.rows.length === 0 ? '' : part('contradictions', 'Contradictions', table(contradictions))}
${lineagePart(report)}
${attestations.length === 0 ? '' : part('statements', 'Statements', attestations.map((one, index) => section(one, index)).join('\n') + left(more, 'attestations'))}
${part('signatures', 'Signatures', bundles.map((one) => section(one)).join('\n'))}
</main>
<footer><p>Written by modelseal inspect. The page is not signed: anyone who has the file can change it.</p></footer>
</body>
</html>
`
}

/** Nothing but the style in the page, which is named by its digest. */
function policy(): string {
  const style = createHash('sha256').update(PAGE_STYLE).digest('base64')
  return `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'`
}

function part(id: string, heading: string, content: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escaped(heading)}</h2>\n${content}\n</section>`
}

/** A symbol beside the words, for the eye only. */
const SYMBOLS = { good: '✓', unsure: '?', bad: '✕' } as const

function banner({ tone, words, why }: Status): string {
  return `<div class="banner ${tone}"><p><strong><span aria-hidden="true">${SYMBOLS[tone]}</span> ${escaped(words)}</strong></p><p>${escaped(why)}</p></div>`
}

function badge({ tone, words }: Status): string {
  return `<span class="badge ${tone}"><span aria-hidden="true">${SYMBOLS[tone]}</span> ${escaped(words)}</span>`
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

function factList(facts: Facts): string {
  if (facts.length === 0) return ''
  const rows = facts.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${valueOf(value)}</dd></div>`)
  return `<dl>\n${rows.join('\n')}\n</dl>`
}

/** An address is shown as a browser understands it, so that it says where it leads. */
function valueOf(value: Value): string {
  if (typeof value === 'string') return escaped(value)
  const address = webAddress(value.address)
  if (address === undefined) return escaped(visible(value.address))
  return `<a href="${escaped(address)}" rel="noreferrer noopener nofollow">${escaped(address)}</a>`
}

function idOf(index: number): string {
  return `statement-${index + 1}`
}

/**
 * The roles are those that the elements have anyway: a style that lays tables out as lists takes them away in some browsers.
 *
 * @param isOverview if its rows are those of the attestations, whose status is in the second column
 */
function table({ caption, header, rows, more }: Table, isOverview = false): string {
  const head = header.map((name) => `<th scope="col" role="columnheader">${escaped(name)}</th>`).join('')
  const body = rows.map(([first = '', ...cells], index) => {
    const name = isOverview ? `<a href="#${idOf(index)}">${escaped(first)}</a>` : escaped(first)
    const others = cells.map((cell, at) => {
      const text = isOverview && at === 0 ? `<strong>${escaped(cell)}</strong>` : escaped(cell)
      return `<td role="cell" data-name="${escaped(header[at + 1] ?? '')}">${text}</td>`
    })
    return `<tr role="row"><th scope="row" role="rowheader">${name}</th>${others.join('')}</tr>`
  })
  return `<div class="scroll" role="region" tabindex="0" aria-label="${escaped(caption)}"><table role="table">
<caption>${escaped(caption)}</caption>
<thead role="rowgroup"><tr role="row">${head}</tr></thead>
<tbody role="rowgroup">
${body.join('\n')}
</tbody>
</table></div>${left(more, 'rows')}`
}

function left(more: number, what: string): string {
  return more > 0 ? `<p>And ${more} more ${what}, which modelseal inspect --json lists.</p>` : ''
}

function lineagePart({ lineage }: Report): string {
  if (!lineage) return ''
  const rows = lineageRows(lineage, visible)
  let list = ''
  for (const [index, { depth, words, note }] of rows.entries()) {
    const next = rows[index + 1]?.depth ?? -1
    list += `<li>${escaped(words)}${note && `<br><em>${escaped(note)}</em>`}`
    list += next > depth ? '<ul>' : '</li>' + '</ul></li>'.repeat(Math.max(0, depth - Math.max(next, 0)))
  }
  return part(
    'lineage',
    'Lineage',
    `<p>What the model was made from, according to the provenance statements.</p>
<figure>${lineageDrawing(rows)}<figcaption>Solid lines are believed, dashed ones are not. The list below says the same.</figcaption></figure>
<ul class="tree">${list}</ul>`,
  )
}
