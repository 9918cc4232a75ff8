import { ModelSealError } from '../errors.ts'

/** The error for a file requested from a closed model. */
export function modelClosed(): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot get files of this model: it was closed.', {
    hint: 'Close the model only after the runtime has loaded it, or open it again.',
  })
}
