import { ModelSealError, shown } from '../../errors.ts'

/** Maximum number of names in the message. */
const MOST_SHOWN = 10

/**
 * Finds the model file in a signed directory, for callers that gave only the directory.
 *
 * @param files names of the signed files: `files` of a `ModelReader`
 * @param wanted file names, or suffixes that start with a dot; the first that any file has decides
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if there is none, or more than one
 * @example
 * ```ts
 * onlyModel(reader.files, ['.onnx', '.ort']) // 'onnx/model.onnx'
 * ```
 */
export function onlyModel(files: readonly string[], wanted: readonly string[]): string {
  const found = wanted.map((each) =>
    files.filter(isEnding(each) ? (name) => name.endsWith(each) : (name) => name === each),
  )
  const models = found.find(({ length }) => length > 0) ?? []
  const [only] = models
  if (only !== undefined && models.length === 1) return only
  const listed = models.slice(0, MOST_SHOWN).map(shown)
  if (models.length > listed.length) listed.push(`${models.length - listed.length} more`)
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot determine the model file: the path is a directory.', {
    expected: wanted.map(words).join(', or '),
    found: listed.join(', ') || 'none',
    hint: 'Give the path of the file itself. The signature of its directory is found automatically.',
  })
}

function isEnding(wanted: string): boolean {
  return wanted.startsWith('.')
}

function words(wanted: string, index: number, all: readonly string[]): string {
  if (!isEnding(wanted)) return `a signed ${shown(wanted)}`
  const isFirst = !all.slice(0, index).some(isEnding)
  return isFirst ? `exactly one signed file whose name ends in ${shown(wanted)}` : `in ${shown(wanted)}`
}
