import { escaped } from './visible.ts'

/** A line of a tree, which is a box in its drawing. */
export interface TreeRow {
  /** 0 for the root. */
  depth: number
  /** Index of the row above; undefined for the root. */
  parent: number | undefined
  name: string
  role: string
  /** Shown if there is no note. */
  digest: string
  believed: boolean
  /** All of that. */
  words: string
  /** What is left out here, if anything. */
  note: string
}

/** A tree as a drawing, and as a list that says the same in words. @param label what the drawing shows */
export function treeFigure(rows: readonly TreeRow[], label: string, caption: string): string {
  let list = ''
  for (const [index, { depth, words, note }] of rows.entries()) {
    const next = rows[index + 1]?.depth ?? -1
    list += `<li>${escaped(words)}${note && `<br><em>${escaped(note)}</em>`}`
    list += next > depth ? '<ul>' : '</li>' + '</ul></li>'.repeat(Math.max(0, depth - Math.max(next, 0)))
  }
  return `<figure>${drawing(rows, label)}<figcaption>${escaped(caption)}</figcaption></figure>
<ul class="tree">${list}</ul>`
}

const BOX = { width: 292, height: 62, gap: 14, indent: 30 }
/** What fits into the lines of a box in letters of usual width. What is wider is cut at its edge. */
const MOST_LETTERS = [32, 44, 38] as const

/** Draws a tree as boxes, each below and to the right of the one that it belongs to. */
function drawing(rows: readonly TreeRow[], label: string): string {
  const step = BOX.height + BOX.gap
  const deepest = Math.max(...rows.map(({ depth }) => depth))
  const [width, height] = [BOX.width + deepest * BOX.indent + 4, rows.length * step - BOX.gap + 4]
  const lines = rows.map((row, index) => lineTo(row, index, step))
  const boxes = rows.map((row, index) => box(row, 2 + row.depth * BOX.indent, 2 + index * step))
  const said = `${label}. The list after the drawing says the same in words.`
  return `<div class="scroll" role="region" tabindex="0" aria-label="Drawing"><svg role="img" aria-labelledby="drawing" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><title id="drawing">${escaped(said)}</title>${lines.join('')}${boxes.join('')}</svg></div>`
}

function lineTo({ depth, parent, believed }: TreeRow, index: number, step: number): string {
  if (parent === undefined) return ''
  const x = 2 + (depth - 1) * BOX.indent + BOX.indent / 2
  const from = 2 + parent * step + BOX.height
  const to = 2 + index * step + BOX.height / 2
  return `<path class="${believed ? 'solid' : 'dashed'}" d="M${x} ${from}V${to}H${2 + depth * BOX.indent}"/>`
}

/** A drawing inside the drawing cuts what is too wide. */
function box({ name, role, digest, note, believed, depth }: TreeRow, x: number, y: number): string {
  const { width, height } = BOX
  const kind = depth === 0 ? 'own' : believed ? 'solid' : 'dashed'
  const last = note !== '' || digest === '' ? note : `${digest.slice(0, 'sha256:'.length + 16)}…`
  const texts = [name, role, last].map((line, at) => {
    const most = MOST_LETTERS[at] ?? 0
    const short = line.length > most ? `${line.slice(0, most - 1)}…` : line
    return `<text class="line${at}" x="12" y="${19 + at * 17}">${escaped(short)}</text>`
  })
  return `<svg x="${x}" y="${y}" width="${width}" height="${height}"><rect class="${kind}" x="1" y="1" width="${width - 2}" height="${height - 2}" rx="6"/>${texts.join('')}</svg>`
}
