import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'

/** The versions in `env.versions` of a runtime. */
interface RuntimeVersions {
  node?: string | undefined
  web?: string | undefined
}

/** Whether this is onnxruntime-web, which also runs in Node.js. */
export function isWeb({ node, web }: RuntimeVersions): boolean {
  return node === undefined && web !== undefined
}

/**
 * Refuses a runtime that does not accept external data from memory: onnxruntime-node 1.20 silently ignores
 * the option and reads the working directory instead.
 *
 * @param versions from `env.versions`, such as `1.21.0`
 * @throws {@link ModelSealError} `RUNTIME_FAILED`
 */
export function checkTakesExternalData(versions: RuntimeVersions, file: string): void {
  const version = isWeb(versions) ? versions.web : versions.node
  const [major = 0, minor = 0] = (version ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0)
  if (major > 1 || (major === 1 && minor >= 21)) return
  throw new ModelSealError(
    'RUNTIME_FAILED',
    `Cannot load the model ${shown(file)}: this ONNX Runtime does not accept its external data.`,
    {
      file,
      expected: `${isWeb(versions) ? 'onnxruntime-web' : 'onnxruntime-node'} 1.21 or later`,
      found: shown(version ?? 'an unknown version'),
      hint: 'Update the runtime.',
    },
  )
}
