import { ModelSealError, shown } from '@modelseal/core'

/** What `env.versions` of a runtime says. */
export interface RuntimeVersions {
  node?: string | undefined
  web?: string | undefined
}

/** True for onnxruntime-web, which runs in Node.js as well. */
export function isWeb({ node, web }: RuntimeVersions): boolean {
  return node === undefined && web !== undefined
}

/**
 * Refuses a runtime that would not take external data from memory: onnxruntime-node 1.20 ignores
 * the option without a word, and reads the working directory instead.
 *
 * @param versions as `env.versions` has them, such as `1.21.0`
 * @throws {@link ModelSealError} `RUNTIME_FAILED`
 */
export function checkTakesExternalData(versions: RuntimeVersions, file: string): void {
  const version = isWeb(versions) ? versions.web : versions.node
  const [major = 0, minor = 0] = (version ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0)
  if (major > 1 || (major === 1 && minor >= 21)) return
  throw new ModelSealError(
    'RUNTIME_FAILED',
    `The model ${shown(file)} has external data, which this ONNX Runtime cannot be given.`,
    {
      file,
      expected: `${isWeb(versions) ? 'onnxruntime-web' : 'onnxruntime-node'} 1.21 or later`,
      found: shown(version ?? 'an unknown version'),
      hint: 'Update the runtime.',
    },
  )
}
