import { resolve } from 'node:path'
import { shown, type ModelSealError } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { compileAttestation, type AttestationDemand } from './attestations/demand.ts'
import { writtenMethod, type AcceptedSigner, type SignerText } from './methods/methods.ts'
import { compileGlob, type Glob } from './matching/glob.ts'
import type { PolicySource } from './reading/include.ts'
import { didYouMean } from '../nearest.ts'
import { compileMatch, type RuleMatch } from './matching/match.ts'
import type { ValuePath } from './reading/policy-text.ts'
import type { RuleText } from './schema/rule.ts'
import { rootKind, type CompiledRoot } from './roots/roots.ts'
import { compileFileRequirements, type FileRequirements } from './requirements/files.ts'
import type { Demand } from './requirements/requirement.ts'
import { compileDemands } from './requirements/requirements.ts'

/** The locations of a model's bundles, relative to the model. */
export interface BundlePlaces {
  written: readonly string[]
  globs: readonly Glob[]
}

/** A compiled rule. */
export interface Rule {
  name: string
  /** Absolute path of the policy file that contains it. */
  file: string
  match: RuleMatch
  /** Where to look for bundles; undefined for the default locations. */
  bundle?: BundlePlaces | undefined
  mode: 'enforce' | 'audit' | 'skip'
  /** The author's reason for the rule. */
  reason?: string | undefined
  signers: readonly AcceptedSigner[]
  threshold: number
  /** What it requires of each signature. */
  demands: readonly Demand[]
  /** The attestations that it requires. */
  attestations: readonly AttestationDemand[]
  /** What it requires of the load. */
  require: FileRequirements
}

/** Names of the trust roots that a policy uses: for models, for attestations and for the feeds that it follows. */
export function usedRoots({ rules, advisories }: SignerLists): Set<string> {
  const lists = [...rules, ...rules.flatMap(({ attestations }) => attestations), ...advisories]
  return new Set(lists.flatMap(({ signers }) => signers.map(({ root }) => root)))
}

interface SignerLists {
  rules: readonly Rule[]
  advisories: readonly Pick<Rule, 'signers'>[]
}

/** Compiles all rules in the order in which they are tried. A fault in one is a problem at its position. */
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
      return compileRule(rule, { source, at }, roots, problems)
    }),
  )
}

/** The position of a rule, or of something else with signers, in the policy. */
interface RulePlace {
  source: PolicySource
  at: ValuePath
}

function compileRule(
  rule: RuleText,
  { source, at }: RulePlace,
  roots: ReadonlyMap<string, CompiledRoot>,
  problems: ModelSealError[],
): Rule {
  const { signers = [], require = withoutPrototype<NonNullable<RuleText['require']>>({}) } = rule
  const accepted = compileSigners(signers, { source, at }, roots, problems)
  return {
    name: rule.name,
    file: resolve(source.text.path),
    match: withoutPrototype(compileMatch(rule.match, source.directory)),
    bundle: bundlePlaces(rule.bundle),
    mode: rule.mode ?? 'enforce',
    reason: rule.reason,
    threshold: rule.threshold ?? 1,
    demands: compileDemands(require),
    require: compileFileRequirements(require),
    signers: accepted,
    attestations: (require.attestations ?? []).map((attestation, index) => {
      const place = { source, at: [...at, 'require', 'attestations', index] }
      const { signers: own } = attestation
      return compileAttestation(attestation, own ? compileSigners(own, place, roots, problems) : accepted)
    }),
  }
}

/** Compiles the list of signers at a position. */
export function compileSigners(
  signers: readonly SignerText[],
  { source, at }: RulePlace,
  roots: ReadonlyMap<string, CompiledRoot>,
  problems: ModelSealError[],
): AcceptedSigner[] {
  const seen = new Set<string>()
  return signers.flatMap((signer, index) => {
    const place = [...at, 'signers', index]
    const text = JSON.stringify(signer)
    if (seen.has(text)) problems.push(source.text.fault(place, 'This signer is in the list twice.'))
    seen.add(text)
    const compiled = compileSigner(signer, roots)
    if (typeof compiled !== 'string') return [compiled]
    problems.push(source.text.fault(place, compiled))
    return []
  })
}

function bundlePlaces(given: RuleText['bundle']): BundlePlaces | undefined {
  if (given === undefined) return undefined
  const written = [given].flat()
  return { written, globs: written.map(compileGlob) }
}

/** @returns the compiled signer, or what is wrong, as a sentence */
function compileSigner(written: SignerText, roots: ReadonlyMap<string, CompiledRoot>): AcceptedSigner | string {
  const method = writtenMethod(written)
  const name = method.rootName(written)
  const root = roots.get(name)
  if (!root)
    return `No trust root is named ${shown(name)}.${didYouMean(name, roots.keys())} The policy has: ${namesOf(roots)}.`
  if (root.kind === method.root) return method.compile(written, root)
  return `The trust root ${shown(name)} is ${rootKind(root.kind).what}; expected ${rootKind(method.root).what}.`
}

/** A longer list would bury the name that was meant. */
const LISTED_ROOTS = 10

function namesOf(roots: ReadonlyMap<string, CompiledRoot>): string {
  const names = [...roots.keys()].slice(0, LISTED_ROOTS).map((name) => shown(name))
  const more = roots.size - names.length
  return names.length === 0 ? 'none' : `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
