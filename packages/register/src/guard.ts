import { installGuard } from '@modelseal/core/guard'
import type { OnnxLoad } from '@modelseal/onnxruntime/any-runtime'
import type { TfLoad } from '@modelseal/tfjs/any-runtime'
import { opening } from './judgement.ts'
import { guardedOnnxRuntime } from './onnxruntime.ts'
import { guardedTensorFlow } from './tensorflow.ts'

/**
 * Has verified loads by adapters of the program judged by the policy of this process, too. Otherwise adapters and guards
 * would refuse each other. All decisions are made here, by this package's own copies, so an adapter, or code that poses as one,
 * can pass only what both policies accept to a runtime.
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
