import { ModelSealError, shown } from '../errors.ts'
import { checkedText } from '../kinds.ts'

/**
 * The signed name of a file that another file of the model refers to, such as the weights listed in a
 * `model.json`. References are relative to the file that contains them. Components without effect (`.`, and the empty
 * one in `a//b`) are dropped, as every runtime does. Everything else is taken literally and nothing is decoded, so that
 * all readers see the same file in a reference.
 *
 * @param from name of the referring file, relative to the model
 * @param reference as written in the file
 * @throws {@link ModelSealError} `PATH_ESCAPES` if the reference is absolute or a URL, or contains a `..` component
 * or a backslash (plain or percent-encoded) or a NUL character
 * @example
 * ```ts
 * referencedName('web/model.json', './weights//group1-shard1of2.bin') // 'web/weights/group1-shard1of2.bin'
 * ```
 */
export function referencedName(from: string, reference: string): string {
  checkedText(from, 'the name of the referring file')
  checkedText(reference, 'the reference')
  const fault = referenceFault(reference)
  if (fault === undefined) return from.slice(0, from.lastIndexOf('/') + 1) + withoutEmptySteps(reference)
  throw new ModelSealError(
    'PATH_ESCAPES',
    `Cannot follow the reference from ${shown(from)} to ${shown(reference)}: it may lead outside the model, because ${fault}.`,
    {
      file: from,
      expected: 'a plain path relative to the file',
      found: shown(reference),
      hint: 'Do not load this model. Ask its publisher for a version in which all references stay inside the model.',
    },
  )
}

/** A reference whose end names a directory (`w.bin/`, `.`) stays as it is, because no file is signed under such a name. */
function withoutEmptySteps(reference: string): string {
  const components = reference.split('/')
  if (isEmptyStep(components.at(-1) ?? '')) return reference
  return components.filter((component) => !isEmptyStep(component)).join('/')
}

function isEmptyStep(component: string): boolean {
  return component === '' || component === '.'
}

/** Percent-encoded `.`, `/` and `\`, encoded once or several times. */
const ENCODED = /%(25)*(2e|2f|5c)/i
/** `https://…`, `file:…/…`, and `C:` of Windows. */
const NOT_RELATIVE = /^([a-z]:|[a-z][a-z0-9+.-]*:\/)/i

function referenceFault(reference: string): string | undefined {
  if (reference.startsWith('/')) return 'it is absolute'
  if (reference.includes('\\')) return 'it contains a backslash'
  // Runtimes would end the name there.
  if (reference.includes('\0')) return 'it contains a NUL character'
  if (NOT_RELATIVE.test(reference)) return 'it is a URL or begins with a drive letter'
  if (ENCODED.test(reference)) return 'it contains a percent-encoded dot, slash or backslash'
  if (reference.split('/').includes('..')) return 'it contains a ".." component'
  return undefined
}
