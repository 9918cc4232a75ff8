import type { BundleCandidate, ModelFiles, ModelSource, SourceSession } from '../source/model-source.ts'

/** A source over files in memory, written as another package would write it. */
export function memorySource(
  url: string,
  content: ReadonlyMap<string, Uint8Array>,
  { files: ofFiles, session: ofSession }: { files?: Partial<ModelFiles>; session?: Partial<SourceSession> } = {},
): ModelSource {
  const files: ModelFiles = {
    path: url,
    name: 'model',
    isFile: false,
    read: async ({ name, range }, receive) => {
      const bytes = content.get(name)
      return bytes && receive({ size: bytes.length, chunks: [bytes.subarray(range?.start, range?.end)] })
    },
    list: () => [...content].map(([name, { length }]) => ({ name, size: length })),
    ...ofFiles,
  }
  const bundle: BundleCandidate = {
    path: `${url}/model.sig`,
    read: async (_, receive) => {
      const bytes = content.get('model.sig')
      return bytes && receive({ size: bytes.length, chunks: [bytes] })
    },
  }
  const session: SourceSession = { model: () => files, bundles: () => [{ candidates: [bundle] }], ...ofSession }
  return { place: { url }, open: () => session }
}
