import { shown } from '../../errors.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import { Refusals } from './refusal.ts'
import type { Requirement } from './require.ts'
import type { Rule } from '../rule.ts'

/**
 * Compares a verified statement with the name and root digest that the rule requires, so that no other model of the same
 * signer is accepted.
 *
 * @param file path of the bundle
 */
export function checkModel(
  signature: VerifiedSignature,
  { require: { names, rootDigests }, name: rule }: Rule,
  file: string,
): Requirement[] {
  const { statedName, rootDigest } = signature.manifest
  const hint = `The signature is valid, but the rule ${shown(rule)} is about another model. Load the model that it names, or correct the rule.`
  const refusals = new Refusals(file, signature, hint)
  const requirements: Requirement[] = []
  if (names) {
    requirements.push({
      check: 'model-name',
      passed: `The model was signed under the name ${shown(statedName ?? '')}.`,
      failure:
        statedName !== undefined && names.some(({ matches }) => matches(statedName))
          ? undefined
          : refusals.of(
              'MODEL_NAME_REFUSED',
              'Cannot accept the model: it was signed under another name than the rule requires.',
              {
                expected: `the name ${names.map(({ written }) => shown(written)).join(' or ')}`,
                found:
                  statedName === undefined ? 'no name (a signature in the format of release 0.2.0)' : shown(statedName),
              },
            ),
    })
  }
  if (rootDigests) {
    requirements.push({
      check: 'root-digest',
      passed: `The root digest is sha256:${rootDigest}.`,
      failure: rootDigests.includes(rootDigest)
        ? undefined
        : refusals.of(
            'ROOT_DIGEST_REFUSED',
            'Cannot accept the model: its root digest is not the one that the rule requires.',
            {
              expected: rootDigests.map((digest) => `sha256:${digest}`).join(' or '),
              found: `sha256:${rootDigest}`,
            },
          ),
    })
  }
  return requirements
}
