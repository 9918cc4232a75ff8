// Draws a flame graph of warm loads: who uses the calling thread while a model is loaded again and again. The graph leaves out
// the runtime, which takes most of the time. Run after a build:
//   npm run bench:flame -- --out docs/explanation/warm-load.svg
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { signByMethods } from '../support/signed-by-methods.ts'

const { values: given } = parseArgs({
  options: { out: { type: 'string' }, loads: { type: 'string', default: '100' } },
})
/** Loads before the first that counts: by then the code is optimized. */
const WARM_UP = 30
/** Between two samples, in microseconds. */
const INTERVAL = 200
const WIDTH = 1200
const ROW = 19
/** Frames with a smaller share are not drawn. */
const LEAST_SHARE = 0.002
const KINDS = {
  runtime: 'ONNX Runtime',
  hashing: 'hashing and signatures (OpenSSL)',
  modelseal: 'modelseal',
  node: 'Node.js and file system',
  gc: 'garbage collection',
}

const directory = await mkdtemp(join(tmpdir(), 'modelseal-flame-'))
try {
  await signByMethods(directory)
  const root = treeOf(await profileOf(directory))
  for (const [kind, name] of Object.entries(KINDS)) console.log(`${percent(root.own[kind] / root.all)}  ${name}`)
  if (given.out) await writeFile(given.out, svgOf(root))
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function profileOf(site) {
  const { loadVerifiedModel } = await import('@modelseal/onnxruntime')
  const options = { policy: join(site, 'modelseal.policy.yaml'), session: { intraOpNumThreads: 1 } }
  const load = async () => (await loadVerifiedModel(join(site, 'by-key/model.onnx'), options)).session.release()
  for (let count = 0; count < WARM_UP; count++) await load()
  await sleep(200)
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL })
  await session.post('Profiler.start')
  for (let count = 0; count < Number(given.loads); count++) await load()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  return profile
}

/** Merges the nodes of a profile by the names of their functions. Functions without a name belong to their callers. */
function treeOf({ nodes, samples, timeDeltas }) {
  const times = new Map()
  samples.forEach((id, index) => times.set(id, (times.get(id) ?? 0) + timeDeltas[index]))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const own = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]))
  const root = { name: 'modelseal and what it calls', kind: 'node', total: 0, children: new Map(), own }
  add(nodes[0], root, 'node')
  root.all = Object.values(own).reduce((sum, time) => sum + time)
  return root

  function add(node, parent, inherited) {
    const { functionName, url } = node.callFrame
    if (functionName === '(idle)' || url.startsWith('node:inspector')) return 0
    const kind = kindOf(functionName, url, inherited)
    const isDrawn = functionName !== '' && functionName !== '(root)' && url !== import.meta.url
    const frame = isDrawn ? childOf(parent, functionName.replace(/\d+$/, ''), kind) : parent
    const self = times.get(node.id) ?? 0
    own[kind] += self
    let total = kind === 'runtime' ? 0 : self
    for (const child of node.children ?? []) total += add(byId.get(child), frame, kind)
    if (isDrawn) frame.total += total
    else if (frame === root) root.total += total
    return total
  }
}

function childOf({ children }, name, kind) {
  const key = `${kind} ${name}`
  const child = children.get(key) ?? { name, kind, total: 0, children: new Map() }
  children.set(key, child)
  return child
}

/** What native code does is done for its caller. */
function kindOf(name, url, inherited) {
  if (name === '(garbage collector)') return 'gc'
  if (url.includes('onnxruntime'))
    return url.includes('@modelseal') || url.includes('packages/') ? 'modelseal' : 'runtime'
  if (/^node:internal\/crypto/.test(url) || inherited === 'hashing') return 'hashing'
  if (url.startsWith('node:')) return 'node'
  if (url !== '') return 'modelseal'
  return inherited
}

function svgOf(root) {
  const frames = []
  const deepest = draw(root, { x: 0, depth: 0 }, { frames, root })
  const top = 66
  const height = top + (deepest + 1) * ROW + 12
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace, monospace" font-size="11">
<style>
svg { background: #fff } text { fill: #1b1f23 }
.hashing { fill: #7fc4a8 } .modelseal { fill: #f0b775 } .node { fill: #9dbde6 } .gc { fill: #d9a3c7 }
rect { stroke: #fff; stroke-width: 0.6 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 } rect { stroke: #0d1117 }
  .hashing { fill: #1f6f5c } .modelseal { fill: #8a5a1c } .node { fill: #2b5288 } .gc { fill: #74406a }
}
</style>
<text x="10" y="22" font-size="15">Warm loads of a 2.3 MB model: calling thread without the ${percent(root.own.runtime / root.all)} in ONNX Runtime. Percentages of the whole load.</text>
${legend()}
<g transform="translate(0 ${top})">
${frames.join('\n')}
</g>
</svg>
`
}

function legend() {
  let x = 10
  return Object.entries(KINDS)
    .filter(([kind]) => kind !== 'runtime')
    .map(([kind, name]) => {
      const entry = `<rect class="${kind}" x="${x}" y="36" width="13" height="13"/><text x="${x + 18}" y="47">${name}</text>`
      x += 44 + name.length * 6.8
      return entry
    })
    .join('\n')
}

/** @returns the depth of the deepest frame that was drawn */
function draw(frame, { x, depth }, { frames, root }) {
  const width = (frame.total / root.total) * WIDTH
  const label = `${frame.name} ${percent(frame.total / root.all)}`
  const fitting = Math.floor((width - 6) / 6.7)
  const shown = fitting >= label.length ? label : fitting >= 4 ? `${frame.name}`.slice(0, fitting) : ''
  const y = depth * ROW
  frames.push(
    `<rect class="${frame.kind}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}"><title>${escaped(label)}</title></rect>` +
      (shown && `<text x="${(x + 3).toFixed(1)}" y="${y + 13}">${escaped(shown)}</text>`),
  )
  let deepest = depth
  let place = x
  for (const child of [...frame.children.values()].sort((a, b) => b.total - a.total)) {
    if (child.total / root.total < LEAST_SHARE) continue
    deepest = Math.max(deepest, draw(child, { x: place, depth: depth + 1 }, { frames, root }))
    place += (child.total / root.total) * WIDTH
  }
  return deepest
}

function percent(share) {
  return `${(share * 100).toFixed(1)} %`
}

function escaped(content) {
  return content.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`)
}
