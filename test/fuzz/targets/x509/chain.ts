import {
  inDays,
  issue,
  makeKeys,
  type Issued,
  type IssueOptions,
  type Name,
} from '../../../../packages/core/src/testing/authority.ts'
import { validateChain } from '../../../../packages/core/src/verification/chain/chain.ts'
import { mustEqual, readOrRefusedLater, REFUSED, type Target } from '../../target.ts'

// Three bytes describe a certificate: a root, up to three authorities below it, and the leaf. Whether the path is valid is decided a
// second time by RFC 5280 section 6.1, from these descriptions instead of from the certificates.

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const BYTES = 3
const MOST = 5
const HOSTS = [undefined, 'x.b.org', 'b.org', 'c.org'] as const
const BASES = [undefined, 'b.org', '.b.org', 'x.b.org'] as const

interface Plan {
  readonly ca: boolean | undefined
  readonly usages: readonly ('digitalSignature' | 'keyCertSign')[] | undefined
  readonly when: 'past' | 'present' | 'future'
  readonly pathLength: number | undefined
  readonly extendedUsages: readonly string[] | undefined
  readonly host: string | undefined
  readonly permitted: string | undefined
  readonly excluded: string | undefined
}

const keys = await Promise.all(Array.from({ length: MOST }, () => makeKeys('P-256')))

const LEAF = [0x0a, 0xf0, 0x00]
const AUTHORITY = [0x01, 0xf0, 0x00]

const target: Target = {
  longest: MOST * BYTES,
  seeds: () =>
    [
      [...AUTHORITY, ...LEAF],
      [...AUTHORITY, ...AUTHORITY, ...LEAF],
      [0x01, 0x01, 0x00, ...AUTHORITY, ...AUTHORITY, ...LEAF],
      [0x01, 0xf0, 0x10, ...AUTHORITY, 0x0a, 0xf0, 0x01],
      [0x01, 0x48, 0x00, ...AUTHORITY, 0x0a, 0xf0, 0x00],
    ].map((bytes) => Uint8Array.from(bytes)),
  async check(input) {
    const plans = Array.from({ length: Math.floor(input.length / BYTES) }, (_, index) =>
      planFrom(input.subarray(index * BYTES)),
    )
    if (plans.length < 2) return
    const path: Issued[] = []
    for (const [index, plan] of plans.entries()) path.push(await issued(plan, index, path.at(-1)))
    const [root, ...below] = path.map(({ der }) => der)
    const leaf = below.pop()
    if (!root || !leaf) return
    const read = await readOrRefusedLater(() => validateChain({ leaf, intermediates: below, roots: [root] }))
    mustEqual(
      read === REFUSED ? 'refused' : 'valid',
      faultOf(plans) === undefined ? 'valid' : 'refused',
      `The path (${faultOf(plans)})`,
    )
    if (read !== REFUSED)
      mustEqual(
        read.path.map(({ raw }) => raw),
        [leaf, ...below.reverse(), root],
        'The path',
      )
  },
}
export default target

function planFrom([first = 0, second = 0, third = 0]: Uint8Array): Plan {
  const pathLength = second & 7
  const ca = ([true, true, false, undefined] as const)[first & 3]
  const authority = ca === true
  return {
    ca,
    usages: ([['keyCertSign'], ['digitalSignature'], ['keyCertSign', 'digitalSignature'], undefined] as const)[
      (first >> 2) & 3
    ],
    when: (['present', 'present', 'past', 'future'] as const)[(first >> 4) & 3] ?? 'present',
    pathLength: authority && pathLength < 3 ? pathLength : undefined,
    extendedUsages: [undefined, [CODE_SIGNING], [SERVER_AUTH], [CODE_SIGNING, SERVER_AUTH]][(second >> 3) & 3],
    host: HOSTS[third & 3],
    permitted: authority ? BASES[(third >> 2) & 3] : undefined,
    excluded: authority ? BASES[(third >> 4) & 3] : undefined,
  }
}

function issued(
  { when, host, permitted, excluded, ...plan }: Plan,
  index: number,
  issuer: Issued | undefined,
): Promise<Issued> {
  const names = (text: string | undefined): readonly Name[] | undefined =>
    text === undefined ? undefined : [[2, text]]
  const [notBefore, notAfter] = { past: [-10, -5], present: [-1, 30], future: [5, 10] }[when]
  const options: { [Name in keyof IssueOptions]: IssueOptions[Name] | undefined } = {
    ...plan,
    subject: `Certificate ${index}`,
    issuer,
    keys: keys[index],
    notBefore: inDays(notBefore ?? 0),
    notAfter: inDays(notAfter ?? 0),
    names: names(host),
    permitted: names(permitted),
    excluded: names(excluded),
  }
  const stated = Object.entries(options).filter(([, value]) => value !== undefined)
  return issue(Object.fromEntries(stated) as unknown as IssueOptions)
}

/** RFC 5280 6.1.3 and 6.1.4; root first. */
function faultOf(plans: readonly Plan[]): string | undefined {
  const last = plans.length - 1
  let allowed: readonly string[] | undefined
  for (const [index, plan] of plans.entries()) {
    const { when, ca, usages, pathLength, extendedUsages, host } = plan
    if (when !== 'present') return '6.1.3 (a) (2)'
    for (const { permitted, excluded } of plans.slice(0, index)) {
      if (host === undefined) continue
      if (permitted !== undefined && !isWithin(host, permitted, false)) return '6.1.3 (b)'
      if (excluded !== undefined && isWithin(host, excluded, true)) return '6.1.3 (c)'
    }
    // Usages of authorities limit those below them, which RFC 5280 leaves open.
    if (extendedUsages) allowed = (allowed ?? extendedUsages).filter((usage) => extendedUsages.includes(usage))
    if (allowed?.length === 0) return 'extended key usages'
    if (index === last) continue
    if (ca !== true) return '6.1.4 (k)'
    if (pathLength !== undefined && last - 1 - index > pathLength) return '6.1.4 (l)'
    if (usages && !usages.includes('keyCertSign')) return '6.1.4 (n)'
  }
  return undefined
}

/** A base that begins with a dot does not cover itself, but an exclusion might mean it. */
function isWithin(host: string, base: string, excluding: boolean): boolean {
  const bare = base.replace(/^\./, '')
  return host.endsWith(`.${bare}`) || (host === bare && (excluding || base === bare))
}
