// A program that uses the adapter for ONNX Runtime under @modelseal/register, and prints the outcome for each model.
const onnx = require('@modelseal/onnxruntime')

module.exports = async ({ models, policy }) => {
  const outcomes = []
  for (const model of models) {
    try {
      const { session, verdict } = await onnx.loadVerifiedModel(model, { policy })
      await session.release()
      outcomes.push(verdict.decision)
    } catch (error) {
      outcomes.push({ code: error.code, hint: error.hint })
    }
  }
  return outcomes
}
