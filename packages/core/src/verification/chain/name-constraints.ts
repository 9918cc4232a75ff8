import type { GeneralName, GeneralSubtree, NameConstraints } from 'pkijs'
import { certificateName, extensionOf, type Certificate } from '../../x509/certificate.ts'
import { alternativeName, attributeOf } from '../../x509/distinguished-name.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { Effort } from '../effort.ts'
import { DIRECTORY, EMAIL, constrainedType, readConstraint, readName, type Constraint } from './constrained-names.ts'

const NAME_CONSTRAINTS = '2.5.29.30'
const SUBJECT_ALT_NAME = '2.5.29.17'
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/** Names times constraints on one path; real ones stay below a hundred. Each takes some microseconds, by pkijs as well. */
const MAX_COMPARISONS = 4096

/**
 * Refuses a path in which a certificate has a name that an authority above it may not certify
 * (RFC 5280 4.2.1.10, 6.1.3 b and c). pkijs 4.0.0 checks this, too, but it unites the permitted names of
 * several authorities instead of intersecting them, ignores directory names among the alternative names
 * and the constraints of the root, skips malformed addresses, and mistakes the user part of a URI for its host.
 *
 * @param path leaf first, root last
 * @throws {@link ModelSealError} `CHAIN_NAME_CONSTRAINT`, `ABORTED`
 */
export async function checkNameConstraints(path: readonly Certificate[], effort: Effort): Promise<void> {
  let budget = MAX_COMPARISONS
  for (const [depth, authority] of path.entries()) {
    const constraints = depth === 0 ? undefined : constraintsOf(authority)
    if (!constraints) continue
    for (const [below, certificate] of path.slice(0, depth).entries()) {
      // RFC 5280 6.1.3 b: a self-issued certificate is exempt, unless it is the last of the path.
      if (below > 0 && isSelfIssued(certificate)) continue
      const names = namesOf(certificate)
      budget -= names.length * (constraints.permitted.length + constraints.excluded.length)
      if (budget < 0) throw refused(authority, certificate, 'more names than any real certificate has')
      for (const name of names) {
        const fault = faultOf(name, constraints)
        if (fault) throw refused(authority, certificate, `the name ${shown(alternativeName(name))}, ${fault}`)
      }
      await effort.turn()
    }
  }
}

/** RFC 5280 section 3.3: the same name as subject and issuer. */
export function isSelfIssued({ fields }: Certificate): boolean {
  return fields.subject.isEqual(fields.issuer)
}

interface Constraints {
  permitted: readonly Constraint[]
  excluded: readonly Constraint[]
}

/** Reads each constraint once. An ambiguous one refuses the path, whether or not it applies to a name. */
function constraintsOf(authority: Certificate): Constraints | undefined {
  const stated = extensionOf(authority.fields, NAME_CONSTRAINTS) as NameConstraints | undefined
  if (!stated) return undefined
  const { permittedSubtrees, excludedSubtrees } = stated
  // RFC 5280 4.2.1.10: at least one of the lists must be present, and neither may be empty.
  if (!(permittedSubtrees ?? excludedSubtrees) || permittedSubtrees?.length === 0 || excludedSubtrees?.length === 0)
    throw malformed(authority, 'an empty list')
  const read = (subtree: GeneralSubtree) => {
    const { base, minimum, maximum } = subtree
    // RFC 5280 4.2.1.10: minimum 0, no maximum.
    const constraint = minimum === 0 && maximum === undefined ? readConstraint(base) : undefined
    if (!constraint) throw malformed(authority, shown(alternativeName(base)))
    return constraint
  }
  return { permitted: (permittedSubtrees ?? []).map(read), excluded: (excludedSubtrees ?? []).map(read) }
}

/** The subject, the alternative names, and e-mail addresses in the subject. */
function namesOf({ fields }: Certificate): GeneralName[] {
  const { subject } = fields
  const alternative = extensionOf(fields, SUBJECT_ALT_NAME) as { altNames: GeneralName[] } | undefined
  const emails = subject.typesAndValues.filter(({ type }) => type === EMAIL_ADDRESS)
  return [
    ...(subject.typesAndValues.length > 0 ? [{ type: DIRECTORY, value: subject }] : []),
    ...(alternative?.altNames ?? []),
    ...emails.map((attribute) => ({ type: EMAIL, value: attributeOf(attribute).text })),
  ] as GeneralName[]
}

/** Why an authority with these constraints may not certify the name; undefined if it may. */
function faultOf(stated: GeneralName, { permitted, excluded }: Constraints): string | undefined {
  const kind = constrainedType(stated)
  const ofKind = (constraint: Constraint) => constraint.kind === kind
  const [within, without] = [permitted.filter(ofKind), excluded.filter(ofKind)]
  if (within.length + without.length === 0) return undefined
  // RFC 5280 4.2.1.10: a name of an unsupported kind is refused.
  const name = readName(stated)
  if (!name) return 'of a type or form that cannot be compared with the constraint'
  if (without.some(({ covers }) => covers(name, true))) return 'which is excluded'
  if (within.length > 0 && !within.some(({ covers }) => covers(name, false))) return 'which is not permitted'
  return undefined
}

function malformed(authority: Certificate, found: string): ModelSealError {
  return new ModelSealError(
    'CHAIN_NAME_CONSTRAINT',
    `The authority ${certificateName(authority)} has a malformed name constraint.`,
    { expected: 'constraints in the forms of RFC 5280 4.2.1.10', found },
  )
}

function refused(authority: Certificate, certificate: Certificate, found: string): ModelSealError {
  return new ModelSealError(
    'CHAIN_NAME_CONSTRAINT',
    `The certificate ${certificateName(certificate)} has a name that ${certificateName(authority)} may not certify.`,
    { found, hint: 'The authority exceeded its constraints. Do not load the model.' },
  )
}
