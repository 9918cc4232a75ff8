import type { GeneralName, GeneralSubtree, NameConstraints, RelativeDistinguishedNames } from 'pkijs'
import { certificateName, extensionOf, type Certificate } from '../bundle/certificate.ts'
import { alternativeName, attributeOf, type NameAttribute } from '../bundle/distinguished-name.ts'
import { ModelSealError, shown } from '../errors.ts'

const NAME_CONSTRAINTS = '2.5.29.30'
const SUBJECT_ALT_NAME = '2.5.29.17'
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/** RFC 5280 4.2.1.6, the tags of the choice. */
const EMAIL = 1
const DNS = 2
const DIRECTORY = 4
const URI = 6
const IP = 7

/** Names times constraints on one path; real ones stay below a hundred. */
const MAX_COMPARISONS = 100_000

/**
 * Refuses a path in which a certificate has a name that an authority above it may not certify
 * (RFC 5280 4.2.1.10, 6.1.3 b and c). This comes on top of the verdict of pkijs 4.0.0, which joins the
 * permitted names of several authorities where it has to intersect them, looks neither at directory
 * names among the alternative names nor at the constraints of the root, and takes the user part of
 * a URI for its host.
 *
 * @param path leaf first, root last
 * @throws {@link ModelSealError} `CHAIN_NAME_CONSTRAINT`
 */
export function checkNameConstraints(path: readonly Certificate[]): void {
  let budget = MAX_COMPARISONS
  for (const [depth, authority] of path.entries()) {
    const constraints = extensionOf(authority.fields, NAME_CONSTRAINTS) as NameConstraints | undefined
    if (depth === 0 || !constraints) continue
    for (const [below, certificate] of path.slice(0, depth).entries()) {
      // RFC 5280 6.1.3 b: a self-issued certificate is exempt, unless it is the last of the path.
      if (below > 0 && isSelfIssued(certificate)) continue
      const names = namesOf(certificate)
      budget -= names.length * count(constraints)
      if (budget < 0) throw refused(authority, certificate, 'more names than any real certificate has')
      for (const name of names) {
        const fault = faultOf(name, constraints)
        if (fault) throw refused(authority, certificate, `the name ${shown(alternativeName(name))}, ${fault}`)
      }
    }
  }
}

/** RFC 5280 section 3.3: the same name as subject and issuer. */
export function isSelfIssued({ fields }: Certificate): boolean {
  return fields.subject.isEqual(fields.issuer)
}

function count({ permittedSubtrees = [], excludedSubtrees = [] }: NameConstraints): number {
  return permittedSubtrees.length + excludedSubtrees.length
}

/** The subject, the alternative names, and e-mail addresses that stand in the subject. */
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

/** Why an authority with these constraints may not certify the name; undefined where it may. */
function faultOf(
  name: GeneralName,
  { permittedSubtrees = [], excludedSubtrees = [] }: NameConstraints,
): string | undefined {
  const ofKind = ({ base }: GeneralSubtree) => base.type === name.type
  const permitted = permittedSubtrees.filter(ofKind)
  const excluded = excludedSubtrees.filter(ofKind)
  const all = [...permitted, ...excluded]
  if (all.length === 0) return undefined
  // RFC 5280 4.2.1.10: minimum 0, no maximum; a kind of name that is not understood is refused.
  if (all.some(({ minimum, maximum }) => minimum !== 0 || maximum !== undefined))
    return 'under a constraint with a depth'
  const within = MATCHERS[name.type]?.(name.value)
  if (!within) return 'of a kind, or in a form, that cannot be compared with the constraint'
  if (excluded.some(({ base }) => within(base.value, true))) return 'which is excluded'
  if (permitted.length > 0 && !permitted.some(({ base }) => within(base.value, false))) return 'which is not permitted'
  return undefined
}

type Matcher = (constraint: unknown, excluding: boolean) => boolean

/** By kind: reads the name; undefined where it is malformed, so that no constraint can be judged. */
const MATCHERS: Readonly<Record<number, (name: unknown) => Matcher | undefined>> = {
  [EMAIL](name) {
    const [, local, host] = /^([^@]+)@([^@]+)$/.exec(String(name)) ?? []
    if (local === undefined || host === undefined) return undefined
    return (constraint) => {
      const [mailbox, domain] = String(constraint).split('@')
      return domain === undefined ? hostWithin(host, mailbox ?? '') : mailbox === local && sameHost(domain, host)
    }
  },
  [DNS](name) {
    const host = lower(String(name))
    if (!/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)) return undefined
    return (constraint, excluding) => {
      const base = lower(String(constraint)).replace(/^\./, '')
      if (base === '' || host === base || host.endsWith(`.${base}`)) return true
      // A wildcard stands for the excluded name, too.
      return excluding && host.startsWith('*.') && base.endsWith(host.slice(1))
    }
  },
  [URI](name) {
    const [, host] =
      /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\]*@)?([a-z0-9_.-]+)(?::\d*)?(?:[/?#]|$)/i.exec(String(name)) ?? []
    // RFC 5280 4.2.1.10: no host name, or an address: to be refused.
    if (host === undefined || /^[\d.]+$/.test(host)) return undefined
    return (constraint) => hostWithin(host, String(constraint))
  },
  [IP](name) {
    const address = (name as { valueBlock: { valueHexView: Uint8Array } }).valueBlock.valueHexView
    return (constraint) => {
      const range = (constraint as { valueBlock: { valueHexView: Uint8Array } }).valueBlock.valueHexView
      if (range.length !== 2 * address.length) return false
      return address.every((byte, i) => ((byte ^ (range[i] ?? 0)) & (range[address.length + i] ?? 0)) === 0)
    }
  },
  [DIRECTORY](name) {
    const attributes = attributesOf(name)
    return (constraint) => {
      const base = attributesOf(constraint)
      return base.length <= attributes.length && base.every((item, i) => sameAttribute(item, attributes[i]))
    }
  },
}

/** RFC 5280 4.2.1.10, e-mail and URI: `.b.org` is every host below, `b.org` that one host. */
function hostWithin(host: string, constraint: string): boolean {
  return constraint.startsWith('.') ? lower(host).endsWith(lower(constraint)) : sameHost(host, constraint)
}

function sameHost(a: string, b: string): boolean {
  return lower(a) === lower(b)
}

function lower(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function attributesOf(name: unknown): NameAttribute[] {
  return (name as RelativeDistinguishedNames).typesAndValues.map(attributeOf)
}

/** RFC 5280 7.1: letter case and runs of spaces make no difference. */
function sameAttribute(a: NameAttribute, b: NameAttribute | undefined): boolean {
  if (a.type !== b?.type) return false
  if (a.text === undefined || b.text === undefined) return a.der.equals(b.der)
  return prepared(a.text) === prepared(b.text)
}

function prepared(text: string): string {
  return text.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase()
}

function refused(authority: Certificate, certificate: Certificate, found: string): ModelSealError {
  return new ModelSealError(
    'CHAIN_NAME_CONSTRAINT',
    `The certificate ${certificateName(certificate)} has a name that ${certificateName(authority)} may not certify.`,
    { found, hint: 'The authority went beyond what it is trusted for: do not load the model.' },
  )
}
