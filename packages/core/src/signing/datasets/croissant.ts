import { parseJsonInTurns, type JsonBounds } from '../../bundle/json.ts'
import { shown } from '../../errors.ts'
import { nameFault } from '../../manifest/names.ts'
import { eachOf, inTurns, type Steps } from '../../source/turns.ts'

/** The largest Croissant document that is read. Each file that it describes takes some 400 bytes. */
export const MAX_CROISSANT_BYTES = 16 * 1024 * 1024
const MAX_VALUES = 1_000_000
/** The context of JSON-LD has about 50 keys. */
const MAX_KEYS = 1_000

/** What a Croissant document states about a file of its dataset. */
export interface CroissantFile {
  /** The names that its URL may mean, relative to the document, the likeliest first. */
  names: readonly [string, ...string[]]
  /** As it is written. */
  sha256: string
}

type Node = Readonly<Record<string, unknown>>

/**
 * Reads the SHA-256 digests in a Croissant document (https://docs.mlcommons.org/croissant/docs/croissant-spec.html). Files that are
 * elsewhere, or in an archive, are left out.
 *
 * @param file name of the document, for messages
 * @returns undefined for JSON that describes no files
 * @throws {@link ModelSealError} `JSON_*`, `ABORTED`
 */
export async function readCroissant(
  bytes: Uint8Array,
  file: string | undefined,
  signal?: AbortSignal,
): Promise<CroissantFile[] | undefined> {
  const json = await parseJsonInTurns(bytes, croissantBounds('Croissant document', file), signal)
  return inTurns(fileSteps(json), signal)
}

function* fileSteps(json: unknown): Steps<CroissantFile[] | undefined> {
  const objects: Node[] = []
  yield* eachOf(nodesIn(json), (node) => isFileObject(node) && objects.push(node))
  if (objects.length === 0) return undefined
  const repositories = new Set<string>()
  yield* eachOf(objects, (node) => {
    if (isRepository(node)) for (const id of texts(node, '@id', 'name')) repositories.add(id)
  })
  const files: CroissantFile[] = []
  yield* eachOf(objects, (node) => {
    const file = fileOf(node, repositories)
    if (file) files.push(file)
  })
  return files
}

/** @returns undefined for a file that is elsewhere, or has no digest */
function fileOf(node: Node, repositories: ReadonlySet<string>): CroissantFile | undefined {
  const [url] = texts(node, 'contentUrl')
  const [sha256] = texts(node, 'sha256')
  const containers = texts(node, 'containedIn').map((id) => id.replace(/^#/, ''))
  // Anything that is not in a repository is in an archive.
  if (url === undefined || sha256 === undefined || !containers.every((id) => repositories.has(id))) return undefined
  const names = namesMeantBy(url)
  return names && { names, sha256 }
}

/** Limits for JSON that may be a Croissant document. @param what for messages */
export function croissantBounds(what: string, file: string | undefined): JsonBounds {
  return {
    what: `${what}${file === undefined ? '' : ` ${shown(file)}`}`,
    file,
    maxValues: MAX_VALUES,
    maxKeys: MAX_KEYS,
  }
}

/** All objects of a document, at any depth. */
function* nodesIn(json: unknown): Generator<Node> {
  const values = [json]
  for (const value of values) {
    if (typeof value !== 'object' || value === null) continue
    if (!Array.isArray(value)) yield value as Node
    for (const inner of Object.values(value)) if (typeof inner === 'object') values.push(inner)
  }
}

/** `cr:FileObject`, in Croissant 0.8 `sc:FileObject`. */
function isFileObject(node: Node): boolean {
  return texts(node, '@type').some((type) => localName(type) === 'FileObject')
}

/** A Git repository, whose files are files of the dataset. */
function isRepository(node: Node): boolean {
  return texts(node, 'encodingFormat').includes('git+https')
}

/** The texts of a property, by any of its names: a context can give it a prefix, and a value can be an object. */
function texts(node: Node, ...properties: readonly string[]): string[] {
  return Object.keys(node)
    .filter((name) => properties.some((property) => name.endsWith(property) && localName(name) === property))
    .flatMap((name) => node[name])
    .flatMap((value) => {
      if (typeof value === 'string') return value
      if (typeof value !== 'object' || value === null) return []
      const { '@value': literal, '@id': id } = value as Node
      return [literal, id].filter((one) => typeof one === 'string')
    })
}

function localName(name: string): string {
  return name.slice(Math.max(...[':', '/', '#'].map((separator) => name.lastIndexOf(separator))) + 1)
}

/** @returns undefined for a URL that leads elsewhere */
function namesMeantBy(url: string): CroissantFile['names'] | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) return undefined
  const name = url.replace(/^(?:\.\/)+/, '')
  if (nameFault(name) !== undefined) return undefined
  const decoded = decodedName(name)
  return decoded === undefined || decoded === name ? [name] : [name, decoded]
}

/** Many documents have plain paths in place of URLs. */
function decodedName(name: string): string | undefined {
  try {
    const decoded = decodeURIComponent(name)
    return nameFault(decoded) === undefined ? decoded : undefined
  } catch {
    return undefined
  }
}
