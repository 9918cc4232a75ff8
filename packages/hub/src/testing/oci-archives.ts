import { gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import type { Archive } from '../oci/artifact.ts'
import type { Digest } from '../oci/digest.ts'
import { sha256, TITLE, type Layer } from './oci-registry.ts'

export const MODEL_TAR = 'application/vnd.cncf.model.weight.v1.tar'

/** An archive of files, or of entries of any type. */
export async function tarOf(
  files: Iterable<readonly [name: string, content: Uint8Array | string, header?: Partial<Header>]>,
): Promise<Buffer> {
  const tar = pack()
  for (const [name, content, header] of files) tar.entry({ name, ...header }, content)
  tar.finalize()
  const parts: Uint8Array[] = []
  for await (const part of tar) parts.push(part as Uint8Array)
  return Buffer.concat(parts)
}

/** What `oras push` makes of a directory. */
export async function orasDirectory(
  name: string,
  files: Iterable<readonly [name: string, content: Uint8Array | string]>,
): Promise<Layer> {
  const entries = [...files].map(([file, content]) => [`${name}/${file}`, content] as const)
  const tar = await tarOf([[name, '', { type: 'directory' }], ...entries])
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    annotations: {
      'io.deis.oras.content.digest': sha256(tar),
      'io.deis.oras.content.unpack': 'true',
      [TITLE]: name,
    },
    content: gzipSync(tar),
  }
}

/** The layer that has this content. */
export function archiveOf(content: Uint8Array, compression?: Archive['compression']): Archive {
  return {
    digest: sha256(content) as Digest,
    size: content.length,
    mediaType: MODEL_TAR,
    annotations: new Map(),
    compression,
    path: undefined,
    root: undefined,
  }
}
