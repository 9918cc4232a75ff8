import { shown, type ModelSealError } from '../../errors.ts'
import { before } from '../schema/duration.ts'
import type { IdentifiedSignature } from '../identify.ts'
import { Refusals } from './refusal.ts'
import { checkModel } from './require-model.ts'
import type { Rule } from '../rule.ts'
import { boundsOf } from '../signature-time.ts'
import type { CheckName } from '../verdict.ts'

/** One thing that a rule asks of a signature. */
export interface Requirement {
  check: CheckName
  /** What was asked for and found, as a sentence. */
  passed: string
  failure?: ModelSealError | undefined
}

/**
 * What a rule asks of a valid signature by an accepted signer, each with its outcome.
 *
 * @param file path of the bundle
 * @param now milliseconds since 1970
 */
export function checkRequirements(
  { signature, keys }: IdentifiedSignature,
  rule: Rule,
  file: string,
  now: number,
): Requirement[] {
  const { require, name } = rule
  const { signer, manifest } = signature
  const refusals = new Refusals(file, signature, `The rule ${shown(name)} asks for it.`)
  const { earliest, latest } = boundsOf(signature)
  const dated = latest !== Infinity
  const requirements = checkModel(signature, rule, file)

  if (keys.length > 0) {
    // Without a trusted time the signature may be as young as this moment: a key that has lapsed could have made it.
    // That it is no older than notBefore nothing proves of a bare key: it says from when on the key counts at all.
    const moment = Math.min(latest, now)
    const valid = keys.some(({ notBefore, notAfter }) => notBefore <= moment && moment < notAfter)
    requirements.push({
      check: 'key-validity',
      passed: `The key ${shown(signer.name)} is valid at ${iso(moment)}.`,
      failure: valid
        ? undefined
        : refusals.of(
            'KEY_OUTSIDE_VALIDITY',
            `The key ${shown(signer.name)} was not valid, by the policy, when it signed.`,
            {
              expected: keys.map(({ notBefore, notAfter }) => window(notBefore, notAfter)).join(' or '),
              found: dated ? iso(latest) : `no trusted time, so ${iso(now)} counts`,
            },
          ),
    })
  }
  if (require.hashAlgorithms) {
    const found = manifest.serialization.hashType
    requirements.push({
      check: 'hash-algorithm',
      passed: `The model was hashed with ${found}.`,
      failure: require.hashAlgorithms.includes(found)
        ? undefined
        : refusals.of(
            'HASH_ALGORITHM_REFUSED',
            'The model was hashed with an algorithm that the rule does not allow.',
            { expected: require.hashAlgorithms.join(' or '), found },
          ),
    })
  }
  if (require.transparencyLog) {
    requirements.push({
      check: 'transparency-log',
      passed: 'The signature is in a transparency log.',
      failure:
        signer.method === 'sigstore'
          ? undefined
          : refusals.of('LOG_REQUIRED', 'The signature is not in a transparency log.', {
              expected: 'an entry in a log that the policy trusts',
              found: `a signature by the method ${signer.method}, which has none`,
            }),
    })
  }
  if (require.timestamp) {
    requirements.push({
      check: 'timestamp',
      passed: `The time ${signature.time?.at ?? ''} is stated by ${shown(signature.time?.authority ?? '')}.`,
      failure: signature.time
        ? undefined
        : refusals.of('TIMESTAMP_REQUIRED', 'The signature has no timestamp of a trusted authority.', {
            expected: 'a timestamp (RFC 3161) of an authority that the policy trusts',
            found: 'none',
          }),
    })
  }
  const { maxSignatureAge, signedAfter } = require
  if (maxSignatureAge || signedAfter) {
    const limits = [
      ...(maxSignatureAge
        ? [{ written: `at most ${maxSignatureAge.written} ago`, limit: before(now, maxSignatureAge.duration) }]
        : []),
      ...(signedAfter ? [{ written: `after ${signedAfter.written}`, limit: signedAfter.time }] : []),
    ]
    const written = limits.map((limit) => limit.written).join(' and ')
    const limit = Math.max(...limits.map((one) => one.limit))
    const failure = () => {
      if (earliest >= limit) return undefined
      if (latest < limit)
        return refusals.of('SIGNATURE_TOO_OLD', 'The model was signed too long ago.', {
          expected: `a signature made ${written}`,
          found: `${iso(latest)} or before`,
        })
      return refusals.of(
        'SIGNATURE_TIME_UNKNOWN',
        'Nothing trusted says that the model was not signed earlier, and the rule limits that.',
        {
          expected: `a signature made ${written}`,
          found:
            earliest === -Infinity
              ? 'no time before which it was not made'
              : `a signature made at ${iso(earliest)} or later`,
        },
        signer.method === 'key'
          ? 'A timestamp can be renewed for an old signature, and a key has no other time: take old models out by revoked.rootDigests, or sign keyless or with certificates.'
          : 'Sign again with a certificate that was issued later, for a key of its own.',
      )
    }
    requirements.push({ check: 'signature-age', passed: `The model was signed ${written}.`, failure: failure() })
  }
  return requirements
}

function window(notBefore: number, notAfter: number): string {
  const parts = [
    ...(notBefore === -Infinity ? [] : [`from ${iso(notBefore)}`]),
    ...(notAfter === Infinity ? [] : [`until ${iso(notAfter)}`]),
  ]
  return `a time ${parts.join(' ')}`
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
