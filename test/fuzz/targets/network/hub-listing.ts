import { parseStrictJson } from '../../../../packages/core/src/bundle/json.ts'
import type { HubClient } from '../../../../packages/hub/src/huggingface/hub-client.ts'
import { listFolder } from '../../../../packages/hub/src/huggingface/hub-listing.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, textOf, type Target } from '../../target.ts'

// An input has pages, each after the line with its header `Link`.

const BETWEEN = '\n--\n'
const TREE = 'https://hub.example/api/models/org/vad/tree/c0ffee/onnx'
const SHA256 = 'a'.repeat(64)
const SHA1 = 'b'.repeat(40)

const WEIGHTS = {
  type: 'file',
  oid: SHA1,
  size: 5,
  path: 'onnx/model.onnx',
  lfs: { oid: SHA256, size: 5, pointerSize: 134 },
}
const CONFIG = { type: 'file', oid: SHA1, size: 2, path: 'onnx/config.json' }
const FOLDER = { type: 'directory', oid: SHA1, size: 0, path: 'onnx/x' }

const target: Target = {
  dictionary: [
    BETWEEN,
    `<${TREE}?cursor=a>; rel="next"`,
    '; rel="next"',
    '; rel=next',
    '"onnx/',
    '../',
    '"lfs":{"oid":"',
    `"lfs":{"oid":"${SHA256}"}`,
    `sha256:${SHA256}`,
    '"__proto__":',
    '\\u0000',
  ],
  seeds: () =>
    texts(
      page('', [WEIGHTS, CONFIG, FOLDER]),
      [page(`<${TREE}?cursor=a>; rel="next"`, [WEIGHTS]), page('', [CONFIG])].join(BETWEEN),
      page('<https://evil.example/x>; rel=next, <?x>; rel="prev next"', [CONFIG]),
      page('', [
        { ...WEIGHTS, lfs: null },
        { ...CONFIG, path: 'onnx/Größe' },
      ]),
      page(`<${TREE}/../y>; rel="next"`, [{ type: 'file', path: 'onnx/CONFIG.json' }]),
    ),
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const pages = text
      .split(BETWEEN)
      .map((each) => ({ link: each.split('\n', 1)[0] ?? '', json: each.replace(/^.*\n?/, '') }))
    const asked: URL[] = []
    const client = {
      json: ({ url }: { url: URL }) => {
        asked.push(url)
        return answerOf(pages[asked.length - 1])
      },
    } as unknown as HubClient
    const at = { tree: new URL(`${TREE}?recursive=true`), folder: 'onnx', place: 'hf://org/vad/onnx' }
    const read = await readOrRefusedLater(() => listFolder(client, at))
    for (const url of asked) mustEqual(url.href.split('?', 1)[0]?.split('#', 1)[0], TREE, 'Where a page is')
    if (read === REFUSED) return
    mustEqual(read === undefined, pages[0]?.json === '', 'Whether there is no listing')
    if (read === undefined) return
    const files = pages.slice(0, asked.length).flatMap(({ json }) => filesIn(json))
    mustEqual(
      read.map(({ name, size, sha256 }) => [`onnx/${name}`, size, sha256]),
      files.map(({ path, size, lfs }) => [path, numberIn(size), lfs?.oid]),
      'What is listed',
    )
    const names = read.map(({ name }) => name.normalize('NFC').toLowerCase())
    mustEqual(new Set(names).size, names.length, 'The number of different names')
    for (const [index, { blob }] of read.entries()) {
      const { oid, lfs } = files[index] ?? {}
      if (blob !== undefined && (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(blob) || ![oid, lfs?.oid].includes(blob)))
        throw new Error(`It is stored as ${JSON.stringify(blob)}.`)
    }
  },
}
export default target

interface Page {
  link: string
  json: string
}

interface Listed {
  type: string
  path: string
  oid?: unknown
  size?: unknown
  lfs?: { oid?: string }
}

function answerOf(given: Page | undefined): { json: unknown; headers: Headers } | undefined {
  if (!given || given.json === '') return undefined
  const json = parseStrictJson(Buffer.from(given.json), { what: 'listing', file: TREE, maxValues: 10_000 })
  return { json, headers: new Headers(isHeader(given.link) ? { link: given.link } : {}) }
}

function isHeader(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]+$/.test(text)
}

function filesIn(json: string): Listed[] {
  const entries = JSON.parse(json) as Listed[]
  return entries
    .filter(({ type }) => type === 'file')
    .map((entry) => (typeof entry.lfs?.oid === 'string' ? entry : { ...entry, lfs: {} }))
}

function numberIn(size: unknown): number | undefined {
  return typeof size === 'number' ? size : undefined
}

function page(link: string, entries: object[]): string {
  return `${link}\n${JSON.stringify(entries)}`
}
