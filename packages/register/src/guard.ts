import { installGuard } from '@modelseal/core/guard'
import type { OnnxLoad } from '@modelseal/onnxruntime/any-runtime'
import type { TfLoad } from '@modelseal/tfjs/any-runtime'
import { opening } from './judgement.ts'
import { guardedOnnxRuntime } from './onnxruntime.ts'
import { guardedTensorFlow } from './tensorflow.ts'

/**
 * Has the verified loads of the program's own adapters judged by the policy of this process as well, where adapters and
 * guards would otherwise refuse each other. Everything that decides is done here, by this package's own copies: an adapter, or
 * what poses as one, gets nothing into a runtime but what both policies let pass.
 */
export function guardAdapters(): void {
  installGuard({
    open: ({ source, options, gather }) => opening({ program: options, throughOthers: true })(source, options, gather),
    adapters: Object.freeze({
      async onnxruntime(load: OnnxLoad) {
        const { createOpened } = await import('@modelseal/onnxruntime/any-runtime')
        const { ort, throughOthers } = guardedOnnxRuntime(load.ort)
        return createOpened({ ...load, ort }, opening({ program: load.options, throughOthers }))
      },
      async tfjs(load: TfLoad) {
        const { loadOpened } = await import('@modelseal/tfjs/any-runtime')
        return loadOpened({ ...load, tf: guardedTensorFlow(load.tf) }, opening({ program: load.options }))
      },
    }),
  })
}
