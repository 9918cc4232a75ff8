import { SourceReader } from '../source/answers/source-reader.ts'
import type { ModelFiles, ReadRequest, SourceEntry } from '../source/model-source.ts'
import type { SizeLimit } from '../source/size-limit.ts'
import type { Comparison } from '../manifest/arriving/comparison.ts'
import { SignedComparison } from '../manifest/arriving/signed-comparison.ts'
import { StreamedFiles } from '../manifest/arriving/streamed-files.ts'
import type { FurtherDigests } from '../manifest/contents.ts'
import { Manifest } from '../manifest/manifest.ts'
import type { Serialization } from '../manifest/serialization.ts'
import { sha256 } from './bundles.ts'

export const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
export const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 4 }
const NO_FURTHER: FurtherDigests = { hashTypes: [], check: () => {} }

/** By name. */
export type Content = Readonly<Record<string, string>>

export const FILES: Content = { a: 'alpha', 'sub/b': 'beta', c: '' }

export interface Given {
  /** What the source has. Default: what was signed. */
  served?: Content
  signed?: Content
  serialization?: Serialization
  limit?: SizeLimit
  announced?: SourceEntry[]
  further?: FurtherDigests
  onProgress?: (done: number, total: number) => void
  read?: ModelFiles['read']
  reader?: SourceReader
  /** Default: with the manifest of what was signed. */
  comparison?: Comparison
  /** What the source says about the length. */
  sizeOf?: (content: string) => number | undefined
}

function resourcesOf(signed: Content, { shardSize }: Serialization) {
  return Object.entries(signed).flatMap(([name, content]) =>
    shardSize === undefined
      ? [{ name, digest: sha256(content) }]
      : Array.from({ length: Math.ceil(content.length / shardSize) }, (_, part) => {
          const [start, end] = [part * shardSize, Math.min((part + 1) * shardSize, content.length)]
          return { name: `${name}:${start}:${end}`, digest: sha256(content.slice(start, end)) }
        }),
  )
}

/** Streamed files of a source in memory, and the requests that it gets. */
export function streamed(given: Given = {}) {
  const { signed = FILES, served = signed, serialization = WHOLE, sizeOf = ({ length }: string) => length } = given
  const requests: Omit<ReadRequest, 'signal'>[] = []
  const read: ModelFiles['read'] = async (request, receive) => {
    requests.push(JSON.parse(JSON.stringify({ ...request, signal: undefined })) as ReadRequest)
    const content = served[request.name]
    if (content === undefined) return
    const rest = content.slice(request.range?.start, request.range?.end)
    // Two pieces, so that something has arrived before the end.
    const chunks = [rest.slice(0, 2), rest.slice(2)].map((piece) => Buffer.from(piece))
    await receive({ size: sizeOf(rest), chunks })
  }
  const files: ModelFiles = { path: 'store://m', name: 'm', isFile: false, read: given.read ?? read }
  const resources = resourcesOf(signed, serialization).sort((a, b) => (a.name < b.name ? -1 : 1))
  const { comparison = new SignedComparison(files, new Manifest('m', serialization, resources)) } = given
  const model = { files, reader: given.reader ?? new SourceReader({}, undefined), limit: given.limit }
  const { further = NO_FURTHER, onProgress, announced } = given
  const streams = new StreamedFiles(model, comparison, {
    further,
    onProgress,
    announced: announced && new Map(announced.map((entry) => [entry.name, entry])),
  })
  return { streams, requests, limit: given.limit }
}
