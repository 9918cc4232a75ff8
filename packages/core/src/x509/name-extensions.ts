import type * as asn1js from 'asn1js'
import type * as pkijs from 'pkijs'
import { inTurns, type Steps } from '../source/turns.ts'

type Libraries = Pick<typeof asn1js, 'fromBER' | 'Sequence'> &
  Pick<typeof pkijs, 'AltName' | 'GeneralName' | 'GeneralSubtree' | 'NameConstraints'>

const SUBJECT_ALT_NAME = '2.5.29.17'
const NAME_CONSTRAINTS = '2.5.29.30'
/** Maximum number of ASN.1 values in one list of names, or in name constraints with two values each. */
const MAX_NODES = 256

/**
 * Parses the alternative names and name constraints of a certificate in advance, so that pkijs finds them. pkijs takes some
 * 0.3 ms for each name, so it gets one name at a time, and the event loop runs in between.
 *
 * @throws Error if an extension is malformed or has too many names
 */
export async function readNameExtensions({ extensions = [] }: pkijs.Certificate): Promise<void> {
  // No spread: copying modules this large takes longer than reading the names.
  const [{ fromBER, Sequence }, { AltName, GeneralName, GeneralSubtree, NameConstraints }] = await Promise.all([
    import('asn1js'),
    import('pkijs'),
  ])
  const libraries = { fromBER, Sequence, AltName, GeneralName, GeneralSubtree, NameConstraints }
  for (const extension of extensions) {
    if (extension.extnID === SUBJECT_ALT_NAME) await inTurns(readNames(extension, libraries))
    if (extension.extnID === NAME_CONSTRAINTS) await inTurns(readConstraints(extension, libraries))
  }
}

/** RFC 5280 4.2.1.6. */
function* readNames(extension: pkijs.Extension, { AltName, GeneralName, ...library }: Libraries): Steps<void> {
  const altNames: pkijs.GeneralName[] = []
  for (const schema of childrenOf(rootOf(extension, library))) {
    altNames.push(new GeneralName({ schema }))
    yield
  }
  extension.parsedValue = new AltName({ altNames })
}

/** RFC 5280 4.2.1.10: permitted subtrees in tag 0, then excluded subtrees in tag 1. */
function* readConstraints(extension: pkijs.Extension, libraries: Libraries): Steps<void> {
  const { NameConstraints, GeneralSubtree, ...library } = libraries
  const lists: pkijs.GeneralSubtree[][] = []
  for (const list of childrenOf(rootOf(extension, library))) {
    const { tagClass, tagNumber, isConstructed } = list.idBlock
    if (tagClass !== 3 || !isConstructed || tagNumber > 1 || tagNumber < lists.length)
      throw new Error('the name constraints are malformed')
    const subtrees: pkijs.GeneralSubtree[] = []
    for (const schema of childrenOf(list)) {
      subtrees.push(new GeneralSubtree({ schema }))
      yield
    }
    lists[tagNumber] = subtrees
  }
  const [permittedSubtrees, excludedSubtrees] = lists
  extension.parsedValue = new NameConstraints({
    ...(permittedSubtrees ? { permittedSubtrees } : {}),
    ...(excludedSubtrees ? { excludedSubtrees } : {}),
  })
}

function rootOf(
  { extnID, extnValue }: pkijs.Extension,
  { fromBER, Sequence }: Pick<typeof asn1js, 'fromBER' | 'Sequence'>,
) {
  const der = extnValue.valueBlock.valueHexView
  const { offset, result } = fromBER(der, { maxNodes: MAX_NODES })
  if (offset !== der.length || !(result instanceof Sequence))
    throw new Error(`the extension ${extnID} is malformed or too long: ${result.error}`)
  return result
}

function childrenOf(block: asn1js.AsnType): asn1js.AsnType[] {
  return (block.valueBlock as { value?: asn1js.AsnType[] }).value ?? []
}
