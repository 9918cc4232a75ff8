import { ModelSealError, shown } from '../../errors.ts'
import { advisoryDangers } from './advisory-dangers.ts'
import { revokedSigners } from './all-revoked.ts'
import type { PolicyReading } from '../compile-policy.ts'
import type { PolicySource } from '../reading/include.ts'
import { withoutPlace } from '../reading/invalid-policy.ts'
import { checkFresh } from '../policy.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import { usedRoots, type Rule } from '../rule.ts'
import { attestationDangers } from './attestation-dangers.ts'
import type { Danger, PolicyFinding } from './finding.ts'
import { formatDangers } from './format-dangers.ts'
import { literalWildcard } from './literal-wildcard.ts'
import { methodOf } from '../methods/methods.ts'
import { rootKind } from '../roots/roots.ts'
import { misspeltRevocation } from './misspelt.ts'
import { pathDangers } from './path-dangers.ts'
import { unmatchedRevocations } from './unmatched-revocations.ts'
import { demandDangers, unmeetableDemands } from './demand-dangers.ts'
import { RuleOrder } from '../matching/unreachable.ts'

/** All findings about a policy, in the order that `checkPolicy` promises. */
export function policyFindings(compiled: PolicyReading): PolicyFinding[] {
  const findings = compiled.problems.map(errorFinding)
  if (compiled.problems.length === 0) {
    const now = Date.now()
    findings.push(...ageFindings(compiled, now), ...rootFindings(compiled, now), ...ruleFindings(compiled))
    findings.push(...revokedNameFindings(compiled))
    const ofFeeds = advisoryDangers(compiled.policy, compiled.sources)
    const placed = [...unmatchedRevocations(compiled), ...ofFeeds]
    findings.push(...placed.map(({ source, at, danger }) => finding(source, at, danger)))
  }
  const files = [...compiled.policy.files.keys()]
  const understood = new Set(compiled.sources.map(({ text }) => text.path))
  // Schema errors keep their order: misspelt fields first.
  const order = ({ file, line = 0, column = 0 }: PolicyFinding) =>
    understood.has(file) ? ([files.indexOf(file), line, column] as const) : ([files.indexOf(file), 0, 0] as const)
  return findings.sort((a, b) => {
    const [x, y] = [order(a), order(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
  })
}

function errorFinding(error: ModelSealError): PolicyFinding {
  const { code, file = '', line, column } = error
  const place = line === undefined || column === undefined ? {} : { line, column }
  return { severity: 'error', code, message: withoutPlace(error), file, ...place }
}

function finding(source: PolicySource, at: ValuePath, danger: Danger): PolicyFinding {
  return { ...danger, file: source.text.path, ...source.text.position(at) }
}

function ageFindings({ policy, sources }: PolicyReading, now: number): PolicyFinding[] {
  const findings: PolicyFinding[] = []
  try {
    checkFresh(policy, now)
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    const source = sources.find(({ text }) => text.path === error.file)
    if (source)
      findings.push(finding(source, ['issued'], { severity: 'error', code: error.code, message: error.message }))
  }
  const last = sources.at(-1)
  if (policy.ages.length === 0 && last) {
    const message =
      'The policy never expires, so an attacker who keeps an old copy in place can hold back revocations. Set "issued" and "maxAge".'
    findings.push(finding(last, [], { severity: 'note', code: 'POLICY_AGE_UNLIMITED', message }))
  }
  return findings
}

function rootFindings({ policy, sources }: PolicyReading, now: number): PolicyFinding[] {
  const used = usedRoots(policy)
  return sources.flatMap((source) =>
    Object.keys(source.file.trustRoots ?? {}).flatMap((name) => {
      const at = ['trustRoots', name]
      const root = policy.roots.get(name)
      if (!root) return []
      const kind = rootKind(root.kind)
      const dangers = kind.dangers(root, now)
      if (!used.has(name) && kind.isNamed)
        dangers.push({
          severity: 'warning',
          code: 'ROOT_UNUSED',
          message: `No rule names the trust root ${shown(name)}.`,
        })
      return dangers.map((danger) => finding(source, at, danger))
    }),
  )
}

function ruleFindings({ policy, sources }: PolicyReading): PolicyFinding[] {
  const rules = new Map(policy.rules.map((rule) => [rule.name, rule]))
  const order = new RuleOrder(policy.rules)
  const findings = sources.flatMap((source) =>
    (source.file.rules ?? []).flatMap((written, index) => {
      const rule = rules.get(written.name)
      if (!rule) return []
      const at = ['rules', index]
      return [
        ...modeDangers(rule, order).map((danger) => finding(source, at, danger)),
        ...pathDangers(written.match.path).map((danger) => finding(source, [...at, 'match', 'path'], danger)),
        ...formatDangers(written.match.format).map((danger) => finding(source, [...at, 'match', 'format'], danger)),
        ...unmeetableDemands(rule, policy).map((danger) => finding(source, [...at, 'require'], danger)),
        ...revokedSigners(rule, policy).map((danger) => finding(source, [...at, 'signers'], danger)),
        ...demandDangers(rule).map(({ field, danger }) => finding(source, [...at, 'require', field], danger)),
        ...attestationDangers(rule, written.require?.attestations ?? [], policy).map(({ at: below, danger }) =>
          finding(source, [...at, 'require', 'attestations', ...below], danger),
        ),
        ...unsignedDangers(rule).map((danger) => finding(source, [...at, 'require', 'unsigned'], danger)),
        ...rule.signers.flatMap((signer, position) =>
          methodOf(signer.method)
            .dangers(signer)
            .map((danger) => finding(source, [...at, 'signers', position], danger)),
        ),
      ]
    }),
  )
  const last = sources.at(-1)
  if (!order.complete && last) {
    const message = 'The policy has too many rules to compare all of them. Some may never be reached.'
    findings.push(finding(last, ['rules'], { severity: 'note', code: 'RULES_UNCOMPARED', message }))
  }
  return findings
}

function revokedNameFindings({ sources }: PolicyReading): PolicyFinding[] {
  return sources.flatMap((source) =>
    (source.file.revoked?.identities ?? []).flatMap(({ identity, issuer }, index) =>
      Object.entries({ identity, issuer })
        .flatMap(([field, text]) => [...literalWildcard(field, text), ...misspeltRevocation(field, text)])
        .map((danger) => finding(source, ['revoked', 'identities', index], danger)),
    ),
  )
}

function modeDangers(rule: Rule, order: RuleOrder): Danger[] {
  const name = shown(rule.name)
  const dangers: Danger[] = []
  const before = order.coveredBy(rule)
  if (before) {
    const message = `The rule ${name} is never reached: the rule ${shown(before.name)} before it matches the same models.`
    dangers.push({ severity: 'warning', code: 'RULE_UNREACHABLE', message })
  }
  const around = order.reachedAround(rule)
  if (around) {
    const message = `The rule ${name} matches a name that bundles claim: if the bundle is removed or claims another name, the rule ${shown(around.name)} may apply to the same model.`
    dangers.push({ severity: 'warning', code: 'NAME_AVOIDABLE', message })
  }
  if (rule.mode === 'skip')
    dangers.push({
      severity: 'warning',
      code: 'MODE_SKIP',
      message: `The rule ${name} loads its models without any check.`,
    })
  if (rule.mode === 'audit')
    dangers.push({
      severity: 'warning',
      code: 'MODE_AUDIT',
      message: `The rule ${name} loads models even if the check refuses them.`,
    })
  return dangers
}

/** A name that no ordinary pattern matches. */
const ANY_NAME = '\u{10fffd}'

function unsignedDangers({ name, require }: Rule): Danger[] {
  if (!require.unsigned?.(ANY_NAME)) return []
  const message = `The rule ${shown(name)} allows every file in the model to be unsigned. List only specific paths, or write "files: ignore-unsigned".`
  return [{ severity: 'warning', code: 'UNSIGNED_BROAD', message }]
}
