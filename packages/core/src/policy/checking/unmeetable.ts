import { shown } from '../../errors.ts'
import type { Danger } from './lapsing.ts'
import type { Policy } from '../policy.ts'
import type { AcceptedSigner, Rule } from '../rule.ts'

/** What a rule requires that too few of its signers can ever have, so that it accepts nothing. */
export function unmeetableRequirements(rule: Rule, { timestampAuthorities, revocations }: Policy): Danger[] {
  const { transparencyLog, timestamp, maxSignatureAge, signedAfter, names, rootDigests } = rule.require
  const demands: { asked: boolean; met: (signer: AcceptedSigner) => boolean; why: string }[] = [
    {
      asked: transparencyLog,
      met: ({ method }) => method === 'sigstore',
      why: 'transparencyLog: only keyless signatures are in a log',
    },
    {
      asked: timestamp,
      met: ({ method }) => method === 'sigstore' || timestampAuthorities.length > 0,
      why: 'timestamp: the policy names no timestampAuthorities whose time it trusts',
    },
    {
      asked: maxSignatureAge !== undefined || signedAfter !== undefined,
      met: ({ method }) => method !== 'key',
      why: 'the age of the signature: nothing proves that one by a key is no older, and a timestamp can be renewed',
    },
    {
      asked: rootDigests?.every((digest) => revocations.revokesAlways(digest)) ?? false,
      met: () => false,
      why: 'rootDigest: the policy revokes it',
    },
    {
      asked: names?.every(({ exact }) => exact !== undefined && rule.match.name && !rule.match.name(exact)) ?? false,
      met: () => false,
      why: 'name: match.name covers none of these names',
    },
  ]
  return demands
    .filter(({ asked, met }) => asked && rule.signers.filter(met).length < rule.threshold)
    .map(({ why }) => ({
      severity: 'error',
      code: 'REQUIREMENT_UNMEETABLE',
      message: `The rule ${shown(rule.name)} can accept nothing, for what it requires of ${why}.`,
    }))
}
