import { createRequire } from 'node:module'
import { buffer } from 'node:stream/consumers'

// A dependency of the core alone.
const { pack } = createRequire(new URL('../../packages/core/package.json', import.meta.url))('tar-stream') as {
  pack: () => NodeJS.ReadableStream & { entry(header: { name: string }, content: Buffer): void; finalize(): void }
}

/** A tar archive of these files, in their order. */
export function tarArchive(files: readonly { name: string; content: Buffer }[]): Promise<Buffer> {
  const packed = pack()
  for (const { name, content } of files) packed.entry({ name }, content)
  packed.finalize()
  return buffer(packed)
}
