import { resolve } from 'node:path'
import { shown, type ModelSealError } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { parseDuration, type Duration } from './schema/duration.ts'
import { compileGlob, type Glob } from './matching/glob.ts'
import type { PolicySource } from './reading/include.ts'
import { didYouMean } from './schema/nearest.ts'
import { anyOf, compileMatch, type RuleMatch } from './matching/match.ts'
import type { ValuePath } from './reading/policy-text.ts'
import type { RuleText, SignerText } from './schema/rule.ts'
import { compileText, type TextMatcher } from './matching/text-pattern.ts'
import type { AcceptedKey, CompiledRoot } from './reading/trust-roots.ts'

/** What a rule asks of each signature, and of the load. */
export interface Requirements {
  /** One of these is the name in the verified statement. */
  names?: readonly TextMatcher[]
  /** One of these is the root digest: lowercase hex. */
  rootDigests?: readonly string[]
  transparencyLog: boolean
  timestamp: boolean
  /** As written, and parsed. */
  maxSignatureAge?: { written: string; duration: Duration }
  signedAfter?: { written: string; time: number }
  hashAlgorithms?: readonly string[]
  files: 'all' | 'loaded' | 'ignore-unsigned'
  /** What may lie in a local model unsigned, by its name; absent where nothing may. */
  unsigned?: (name: string) => boolean
  isolation?: readonly string[]
  /** Largest size of a bundle; absent where the program's word or the default holds. */
  maxBundleBytes?: number
  /** Absent where every load hashes. */
  receipts?: { maxAge: Duration }
}

/** One entry of a rule's list of signers. */
export type AcceptedSigner =
  | { method: 'key'; root: string; keys: readonly AcceptedKey[] }
  | {
      method: 'certificate'
      root: string
      subject?: TextMatcher | undefined
      san?: TextMatcher | undefined
      issuer?: TextMatcher | undefined
    }
  | {
      method: 'sigstore'
      root: string
      issuer: TextMatcher
      identity: TextMatcher
      /** Extensions of the certificate by name, each exact. */
      extensions: Readonly<Record<string, string>>
    }

/** Where the bundles of a model are, by their names in it. */
export interface BundlePlaces {
  written: readonly string[]
  globs: readonly Glob[]
}

/** A rule, ready to be applied. */
export interface Rule {
  name: string
  /** Where it is written: absolute path. */
  file: string
  match: RuleMatch
  /** Where bundles are looked for; undefined for the usual places. */
  bundle?: BundlePlaces | undefined
  mode: 'enforce' | 'audit' | 'skip'
  /** Why, in the author's words. */
  reason?: string | undefined
  signers: readonly AcceptedSigner[]
  threshold: number
  require: Requirements
}

/** Compiles all rules in the order in which they count; what is wrong with one is a problem at its place. */
export function compileRules(
  sources: readonly PolicySource[],
  roots: ReadonlyMap<string, CompiledRoot>,
  problems: ModelSealError[],
): Rule[] {
  const names = new Set<string>()
  return sources.flatMap((source) =>
    (source.file.rules ?? []).map((rule, index) => {
      const at = ['rules', index]
      if (names.has(rule.name))
        problems.push(source.text.fault([...at, 'name'], `The rule name ${shown(rule.name)} is used twice.`))
      names.add(rule.name)
      return compileRule(rule, source, at, roots, problems)
    }),
  )
}

function compileRule(
  rule: RuleText,
  source: PolicySource,
  at: ValuePath,
  roots: ReadonlyMap<string, CompiledRoot>,
  problems: ModelSealError[],
): Rule {
  const signers = rule.signers ?? []
  const seen = new Set<string>()
  return {
    name: rule.name,
    file: resolve(source.text.path),
    match: withoutPrototype(compileMatch(rule.match, source.directory)),
    bundle: bundlePlaces(rule.bundle),
    mode: rule.mode ?? 'enforce',
    reason: rule.reason,
    threshold: rule.threshold ?? 1,
    require: withoutPrototype(compileRequirements(rule.require ?? withoutPrototype({}))),
    signers: signers.flatMap((signer, index) => {
      const place = [...at, 'signers', index]
      const text = JSON.stringify(signer)
      if (seen.has(text)) problems.push(source.text.fault(place, 'This signer stands in the list twice.'))
      seen.add(text)
      const compiled = compileSigner(signer, roots)
      if (typeof compiled !== 'string') return [compiled]
      problems.push(source.text.fault(place, compiled))
      return []
    }),
  }
}

function bundlePlaces(given: RuleText['bundle']): BundlePlaces | undefined {
  if (given === undefined) return undefined
  const written = [given].flat()
  return { written, globs: written.map(compileGlob) }
}

const KINDS = {
  publicKey: 'public keys',
  certificates: 'certificates',
  timestampAuthorities: 'timestamp authorities',
  sigstore: 'sigstore',
}

/** @returns what is wrong, as a sentence, where something is */
function compileSigner(signer: SignerText, roots: ReadonlyMap<string, CompiledRoot>): AcceptedSigner | string {
  const [name, kind] =
    'key' in signer
      ? ([signer.key, 'publicKey'] as const)
      : 'certificate' in signer
        ? ([signer.certificate.root, 'certificates'] as const)
        : ([signer.sigstore.root, 'sigstore'] as const)
  const root = roots.get(name)
  if (!root)
    return `No trust root is named ${shown(name)}.${didYouMean(name, roots.keys())} The policy has: ${namesOf(roots)}.`
  if (root.kind !== kind) return `The trust root ${shown(name)} is ${KINDS[root.kind]}; expected ${KINDS[kind]}.`
  if (root.kind === 'publicKey') return { method: 'key', root: name, keys: root.keys }
  if ('certificate' in signer) {
    const { subject, san, issuer } = signer.certificate
    return {
      method: 'certificate',
      root: name,
      subject: optional(subject),
      san: optional(san),
      issuer: optional(issuer),
    }
  }
  if (!('sigstore' in signer)) return `The trust root ${shown(name)} is of another kind.`
  const { issuer, identity, extensions = {} } = signer.sigstore
  const given = Object.fromEntries(Object.entries(extensions).map(([field, value]) => [field, value ?? '']))
  return {
    method: 'sigstore',
    root: name,
    issuer: compileText(issuer),
    identity: compileText(identity),
    extensions: given,
  }
}

/** More than these would hide the one that was meant. */
const LISTED_ROOTS = 10

function namesOf(roots: ReadonlyMap<string, CompiledRoot>): string {
  const names = [...roots.keys()].slice(0, LISTED_ROOTS).map((name) => shown(name))
  const more = roots.size - names.length
  return names.length === 0 ? 'none' : `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function optional(text: Parameters<typeof compileText>[0] | undefined): TextMatcher | undefined {
  return text === undefined ? undefined : compileText(text)
}

function compileRequirements(require: NonNullable<RuleText['require']>): Requirements {
  const {
    name,
    rootDigest,
    maxSignatureAge,
    signedAfter,
    hashAlgorithms,
    unsigned,
    isolation,
    maxBundleBytes,
    receipts,
  } = require
  const duration = maxSignatureAge === undefined ? undefined : parseDuration(maxSignatureAge)
  return {
    transparencyLog: require.transparencyLog ?? false,
    timestamp: require.timestamp ?? false,
    files: require.files ?? 'all',
    ...(name === undefined ? {} : { names: [name].flat().map(compileText) }),
    ...(rootDigest === undefined ? {} : { rootDigests: [rootDigest].flat().map(plainDigest) }),
    ...(maxSignatureAge !== undefined && duration ? { maxSignatureAge: { written: maxSignatureAge, duration } } : {}),
    ...(signedAfter === undefined ? {} : { signedAfter: { written: signedAfter, time: Date.parse(signedAfter) } }),
    ...(hashAlgorithms === undefined ? {} : { hashAlgorithms }),
    ...(unsigned === undefined ? {} : { unsigned: anyOf(unsigned) }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(maxBundleBytes === undefined ? {} : { maxBundleBytes }),
    ...(receipts === undefined || receipts === 'never' ? {} : compileReceipts(receipts)),
  }
}

/** Lowercase hex, without the name of the algorithm. */
export function plainDigest(digest: string): string {
  return digest.replace(/^sha256:/, '')
}

/** How old a receipt may be where the policy does not say. */
const RECEIPT_AGE = '7d'

function compileReceipts(receipts: 'allow' | { maxAge: string }): Pick<Requirements, 'receipts'> {
  const maxAge = parseDuration(receipts === 'allow' ? RECEIPT_AGE : receipts.maxAge)
  return maxAge ? { receipts: { maxAge } } : {}
}
