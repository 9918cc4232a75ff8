import type { ModelSource } from '@modelseal/core/source'

export interface HuggingFaceOptions {
  readonly endpoint?: string | undefined
}

export function huggingFaceSource(url: string, options?: HuggingFaceOptions): ModelSource {
  throw new Error(`not written yet: ${url} ${options?.endpoint ?? ''}`)
}
