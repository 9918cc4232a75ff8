import { createHash } from 'node:crypto'
import type { Facts, Status, Table, Value } from './content.ts'
import { PAGE_STYLE } from './page-style.ts'
import { escaped, visible, webAddress } from './visible.ts'

/** A page. All of it but the title is HTML. */
interface Page {
  title: string
  /** What the page is about, in one word. */
  kind: string
  heading: string
  header: string
  main: string
  footer: string
}

/**
 * An HTML page in one file. It has no scripts and loads nothing, and its content security policy would allow neither. All text passes
 * {@link escaped}, whoever wrote it.
 */
export function htmlPage({ title, kind, heading, header, main, footer }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy()}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="kind">${escaped(kind)}</p>
<h1>${escaped(heading)}</h1>
${header}
</header>
<main id="main">
${main}
</main>
<footer><p>${escaped(footer)}</p></footer>
</body>
</html>
`
}

/** Nothing but the style in the page, which is named by its digest. */
function policy(): string {
  const style = createHash('sha256').update(PAGE_STYLE).digest('base64')
  return `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'`
}

export function part(id: string, heading: string, content: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escaped(heading)}</h2>\n${content}\n</section>`
}

/** A symbol beside the words, for the eye only. */
const SYMBOLS = { good: '✓', unsure: '?', bad: '✕' } as const

export function banner({ tone, words, why }: Status): string {
  return `<div class="banner ${tone}"><p><strong><span aria-hidden="true">${SYMBOLS[tone]}</span> ${escaped(words)}</strong></p><p>${escaped(why)}</p></div>`
}

export function badge({ tone, words }: Status): string {
  return `<span class="badge ${tone}"><span aria-hidden="true">${SYMBOLS[tone]}</span> ${escaped(words)}</span>`
}

export function factList(facts: Facts): string {
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

/**
 * The roles are those that the elements have anyway: a style that lays tables out as lists takes them away in some browsers.
 *
 * @param target for the ID of the element to which each row leads; the second column then is a status
 */
export function table({ caption, header, rows, more }: Table, target?: (index: number) => string): string {
  const head = header.map((name) => `<th scope="col" role="columnheader">${escaped(name)}</th>`).join('')
  const body = rows.map(([first = '', ...cells], index) => {
    const name = target ? `<a href="#${target(index)}">${escaped(first)}</a>` : escaped(first)
    const others = cells.map((cell, at) => {
      const text = target && at === 0 ? `<strong>${escaped(cell)}</strong>` : escaped(cell)
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

export function left(more: number, what: string): string {
  return more > 0 ? `<p>And ${more} more ${what}, which --json lists.</p>` : ''
}
