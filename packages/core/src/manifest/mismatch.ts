import { ModelSealError, shown, type FileProblem } from '../errors.ts'
import type { Manifest } from './manifest.ts'
import { compareCodePoints } from './order.ts'
import { mismatchHint, type ContentOf } from './plainer-cause.ts'

/** Describes the first digest of a file that differs from the signed one; undefined if none does. */
export function digestProblem(
  file: string,
  hashType: string,
  expected: readonly string[],
  found: readonly string[],
): FileProblem | undefined {
  if (expected.length === 1 && found.length === 1 && expected[0] === found[0]) return undefined
  const differs = expected.findIndex((digest, part) => digest !== found[part])
  if (differs < 0 && expected.length === found.length) return undefined
  // If all expected digests are there, the next one is too many.
  const part = differs < 0 ? expected.length : differs
  const where = expected.length > 1 ? ` for shard ${part + 1} of ${expected.length}` : ''
  return {
    code: 'FILE_MISMATCH',
    file,
    expected: `${hashType}:${expected[part] ?? 'nothing'}${where}`,
    found: `${hashType}:${found[part] ?? 'nothing'}`,
  }
}

/** True for the refusal of a file with other content than was signed. */
export function isMismatch(error: unknown): boolean {
  return error instanceof ModelSealError && error.code === 'FILE_MISMATCH'
}

/** The refusal of a name that is not in the manifest. */
export function notSigned(name: string): ModelSealError {
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot read the file ${shown(name)}: it is not covered by the signature of the model.`,
    {
      file: name,
      hint: 'Only files in the signed manifest can be read through a verified model.',
    },
  )
}

const PROBLEM_TEXT: Record<FileProblem['code'], (file: string) => string> = {
  FILE_MISSING: (file) => `The signed file ${shown(file)} is missing`,
  FILE_UNSIGNED: (file) => `The file ${shown(file)} is not covered by the signature`,
  FILE_MISMATCH: (file) => `The content of ${shown(file)} is not what was signed`,
}

const SHOWN_PROBLEMS = 5

/** Maximum number of problems of each kind that a refusal lists; an attacker can add any number of files. */
export const MOST_PROBLEMS = 1_000

/**
 * The refusal of a model that differs from what was signed.
 *
 * @param path of the model, for messages
 * @param contentOf reads the content that is there instead of the signed one
 * @param hint if the cause is already known
 */
export function mismatch(
  path: string,
  problems: readonly FileProblem[],
  contentOf: ContentOf,
  hint?: string,
): ModelSealError {
  const sorted = listed(problems).sort((a, b) => compareCodePoints(a.code, b.code) || compareCodePoints(a.file, b.file))
  const [first, ...others] = sorted as [FileProblem, ...FileProblem[]]
  let sentence = `${PROBLEM_TEXT[first.code](first.file)} (model ${shown(path)}).`
  for (const other of others.slice(0, SHOWN_PROBLEMS - 1)) sentence += ` ${PROBLEM_TEXT[other.code](other.file)}.`
  if (others.length >= SHOWN_PROBLEMS) {
    const atLeast = sorted.length >= MOST_PROBLEMS ? 'At least ' : ''
    sentence += ` ${atLeast}${others.length - SHOWN_PROBLEMS + 1} more files differ.`
  }
  return new ModelSealError(first.code, sentence, {
    file: first.file,
    expected: first.expected,
    found: first.found,
    hint: hint ?? mismatchHint(sorted, contentOf),
    problems: sorted,
  })
}

function listed(problems: readonly FileProblem[]): FileProblem[] {
  const room = { FILE_MISSING: MOST_PROBLEMS, FILE_UNSIGNED: MOST_PROBLEMS, FILE_MISMATCH: MOST_PROBLEMS }
  return problems.filter(({ code }) => room[code]-- > 0)
}

/** Whether a manifest is of another model than the one with this name and these files: the names differ, and no file is in both. */
export function isOfOtherModel(
  manifest: Pick<Manifest, 'modelName' | 'files'>,
  modelName: string,
  files: Iterable<string>,
): boolean {
  if (manifest.modelName === modelName) return false
  for (const name of files) if (manifest.files.has(name)) return false
  return true
}

/** What to do about a bundle of another model. */
export function otherModelHint({ modelName }: Pick<Manifest, 'modelName'>): string {
  return `The bundle belongs to the model ${shown(modelName)}, and none of the files that it covers are here. Use the bundle of this model, or give the path of that model.`
}
