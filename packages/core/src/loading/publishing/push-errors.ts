import { ModelSealError, sentenceOf, shown, withHint, type ErrorCode, type ErrorDetails } from '../../errors.ts'

/** The refusal of a hub or registry. */
export function pushRefused(place: string, why: string, details: ErrorDetails = {}): ModelSealError {
  return new ModelSealError('PUSH_REFUSED', `Cannot push to ${shown(place)}: ${why}.`, { file: place, ...details })
}

/** Somebody else changed the branch or tag. */
export function pushConflict(place: string, expected: string, found: string | undefined): ModelSealError {
  return new ModelSealError('PUSH_CONFLICT', `Cannot push to ${shown(place)}: it changed meanwhile.`, {
    file: place,
    expected,
    found,
    hint: 'See what the other change is, and push again.',
  })
}

/** What was uploaded could not be shown to be what was signed. Nobody should load it. */
export function pushUnproven(place: string, cause: ModelSealError): ModelSealError {
  const { file, expected, found } = cause
  return new ModelSealError(
    'PUSH_UNPROVEN',
    `The model was uploaded, but what ${shown(place)} serves is not proven to be what was signed: ${sentenceOf(cause)}`,
    {
      file: file ?? place,
      expected,
      found,
      hint: 'Do not announce it. Push again; if it fails again, ask the operator, and remove what was uploaded.',
      cause,
    },
  )
}

/** A file changed between the check of its signature and its upload. */
export function changedFile(name: string, found: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `Cannot push ${shown(name)}: it changed while it was uploaded.`, {
    file: name,
    expected: 'the content that was signed',
    found,
    hint: 'Let nothing else write to the model, sign it again if the change is meant, and push again.',
  })
}

const METHOD_FIRST = '"modelseal push key MODEL TARGET --private-key KEY"'
const SIGN_AGAIN = `If the change is meant, sign the model again, as ${METHOD_FIRST} does before it pushes. Otherwise, undo the change.`
const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  FILE_MISMATCH: SIGN_AGAIN,
  FILE_MISSING: SIGN_AGAIN,
  FILE_UNSIGNED: SIGN_AGAIN,
  BUNDLE_NOT_FOUND: `Sign the model, as ${METHOD_FIRST} does before it pushes, or give the path of its bundle (--signature, "signature").`,
}

/** The hints of these errors are for those who load a model of somebody else. Throws the error with one for its publisher. */
export function forPublisher(error: unknown): never {
  if (!(error instanceof ModelSealError)) throw error
  const hint = HINTS[error.code]
  throw hint === undefined ? error : withHint(error, hint)
}
