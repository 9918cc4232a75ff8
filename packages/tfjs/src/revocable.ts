import { ModelSealError, type OpenedModel } from '@modelseal/core'
import { keepRevocable, withVerdict, type Revocable } from '@modelseal/core/adapter'

/** The models of tf: graph models, layers models and SavedModels. */
interface TfModel {
  dispose?: () => void
}

const TF_MODEL: Revocable<TfModel> = {
  calls: ['predict', 'predictOnBatch', 'apply', 'call', 'execute', 'evaluate', 'getWeights', 'loadWeights'],
  asyncCalls: ['predictAsync', 'executeAsync', 'fit', 'fitDataset', 'evaluateDataset', 'trainOnBatch', 'save'],
  ends: ['dispose'],
  release: (model) => model.dispose?.(),
}

/**
 * Keeps watching what tf created from a model. Disposes of it if the model was revoked in the meantime.
 *
 * @throws {@link ModelSealError} `MODEL_REVOKED`
 */
export function keepTfModel(opened: OpenedModel<unknown>, model: unknown): void {
  if (typeof model !== 'object' || model === null) return
  try {
    keepRevocable(opened, model as TfModel, TF_MODEL)
  } catch (error) {
    ;(model as TfModel).dispose?.()
    throw error instanceof ModelSealError ? withVerdict(error, opened.verdict) : error
  }
}
