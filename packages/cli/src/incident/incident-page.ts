import type { Incident, LoadedNow, Timeline } from '@modelseal/journal'
import { counted } from '../output.ts'
import type { Facts, Status, Table } from '../pages/content.ts'
import { banner, factList, htmlPage, part, table } from '../pages/html.ts'
import { treeFigure } from '../pages/tree-drawing.ts'
import { escaped } from '../pages/visible.ts'
import { reachRows } from './reach-rows.ts'
import { incidentTables, KIND_WORDS, loadedWords } from './incident-tables.ts'

/** The answer of `modelseal incident` as an HTML page in one file. */
export function incidentPage(incident: Incident): string {
  const { query, unknown, timeline } = incident
  const { services, models, signers, refusals, derived, journals } = incidentTables(incident)
  const heading = `${KIND_WORDS[query.kind]} ${query.value}`
  return htmlPage({
    title: `Incident: ${heading}`,
    kind: 'Incident',
    heading,
    header: `${banner(status(incident))}\n${factList(facts(incident))}`,
    main: [
      ...(timeline ? [part('timeline', 'Timeline', timelineFigure(timeline))] : []),
      part('reach', 'Blast radius', treeFigure(...reach(incident))),
      part('services', 'Services', tableOr(services, 'No service loaded it.')),
      part('models', 'Models', tableOr(models, 'No model is affected.')),
      part('derived', 'Made from these', tableOr(derived, 'No signed provenance names one of these models.')),
      part('signers', 'Signers', tableOr(signers, 'Nobody signed these models.')),
      part('refusals', 'Refusals', tableOr(refusals, 'Nothing was refused.')),
      part('unknown', 'What is not known', `<ul>${unknown.map((one) => `<li>${escaped(one)}</li>`).join('')}</ul>`),
      part('journals', 'Journals', table(journals)),
    ].join('\n'),
    footer: 'Written by modelseal incident. The page is not signed: anyone who has the file can change it.',
  })
}

function tableOr(given: Table, nothing: string): string {
  return given.rows.length === 0 ? `<p>${escaped(nothing)}</p>` : table(given)
}

const STATES: Record<LoadedNow, Pick<Status, 'tone' | 'words'>> = {
  yes: { tone: 'bad', words: 'Loaded now' },
  unknown: { tone: 'unsure', words: 'Perhaps loaded now' },
  no: { tone: 'good', words: 'Not loaded now' },
}

function status(incident: Incident): Status {
  const { loadedNow, total, complete } = incident
  const never = total.loads === 0 && complete
  const state = never ? { tone: 'good' as const, words: 'No load is recorded' } : STATES[loadedNow]
  const why = never ? 'The journals that were asked contain no load of it.' : loadedWords(incident)
  return complete ? { ...state, why } : { tone: 'bad', words: `${state.words}, and a journal does not hold`, why }
}

function facts({ query, at, total }: Incident): Facts {
  const { loads, refusals, services, hosts, models, first, last } = total
  return [
    ['loads', loads.toLocaleString('en')],
    ['refusals', refusals.toLocaleString('en')],
    ['services', `${services} on ${hosts} ${hosts === 1 ? 'host' : 'hosts'}`],
    ['models', `${models}`],
    ...(first === undefined || last === undefined
      ? []
      : ([
          ['first', first],
          ['last', last],
        ] as const)),
    ...(query.since === undefined ? [] : ([['since', query.since]] as const)),
    ...(query.until === undefined ? [] : ([['until', query.until]] as const)),
    ['asked', at],
  ]
}

function reach(incident: Incident): [ReturnType<typeof reachRows>, string, string] {
  const rows = reachRows(incident)
  const label = `Drawing of what is affected: ${rows.length} models and services`
  return [rows, label, 'Dashed: refused, or only claimed to be made from it. The list below says the same.']
}

const HEIGHT = 100
const WIDTH = 10

/** Bars of loads, and on top of them those of refusals. */
function timelineFigure({ from, step, loads, refusals }: Timeline): string {
  const sums = loads.map((count, index) => count + (refusals[index] ?? 0))
  const most = Math.max(...sums, 1)
  const bars = loads.map((count, index) => {
    const [low, high] = [scaled(count, most), scaled(refusals[index] ?? 0, most)]
    const x = index * WIDTH + 1
    return `<rect class="loads" x="${x}" y="${HEIGHT - low}" width="${WIDTH - 2}" height="${low}"/><rect class="refusals" x="${x}" y="${HEIGHT - low - high}" width="${WIDTH - 2}" height="${high}"/>`
  })
  const begin = Date.parse(from)
  const end = new Date(begin + step * loads.length).toISOString()
  const said = `Loads over time: ${counted(loads.length, 'bar')} of ${duration(step)}, at most ${most.toLocaleString('en')} in one`
  return `<figure><svg class="bars" role="img" aria-labelledby="bars" viewBox="0 0 ${loads.length * WIDTH} ${HEIGHT}" preserveAspectRatio="none"><title id="bars">${escaped(said)}</title>${bars.join('')}</svg>
<p class="axis"><span>${escaped(from)}</span><span>${escaped(end)}</span></p>
<figcaption><span class="key loads">loads</span>, <span class="key refusals">refusals</span>. ${escaped(said)}.</figcaption></figure>`
}

/** What happened at least once is visible. */
function scaled(count: number, most: number): number {
  return count === 0 ? 0 : Math.max(1.5, Math.round((count / most) * 960) / 10)
}

function duration(milliseconds: number): string {
  const hours = milliseconds / 3_600_000
  const [count, unit] = hours % 24 === 0 ? [hours / 24, 'day'] : [hours, 'hour']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
