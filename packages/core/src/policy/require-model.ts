import { ModelSealError, shown } from '../errors.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import type { Requirement } from './require.ts'
import type { Rule } from './rule.ts'

/**
 * Compares a verified statement with the name and root digest that the rule requires, so that no other model of the same
 * signer is accepted.
 *
 * @param file path of the bundle
 */
export function checkModel(
  { signer, manifest }: VerifiedSignature,
  { require: { names, rootDigests }, name: rule }: Rule,
  file: string,
): Requirement[] {
  const { statedName, rootDigest } = manifest
  const refused = (
    code: 'MODEL_NAME_REFUSED' | 'ROOT_DIGEST_REFUSED',
    sentence: string,
    expected: string,
    found: string,
  ) =>
    new ModelSealError(code, sentence, {
      file,
      signer: signer.name,
      expected,
      found,
      hint: `The signature is valid, but the rule ${shown(rule)} is about another model. Load the model that it names, or correct the rule.`,
    })
  const requirements: Requirement[] = []
  if (names) {
    requirements.push({
      check: 'model-name',
      passed: `The model was signed under the name ${shown(statedName ?? '')}.`,
      failure:
        statedName !== undefined && names.some(({ matches }) => matches(statedName))
          ? undefined
          : refused(
              'MODEL_NAME_REFUSED',
              'Cannot accept the model: it was signed under another name than the rule requires.',
              `the name ${names.map(({ written }) => shown(written)).join(' or ')}`,
              statedName === undefined ? 'no name (a signature in the format of release 0.2.0)' : shown(statedName),
            ),
    })
  }
  if (rootDigests) {
    requirements.push({
      check: 'root-digest',
      passed: `The root digest is sha256:${rootDigest}.`,
      failure: rootDigests.includes(rootDigest)
        ? undefined
        : refused(
            'ROOT_DIGEST_REFUSED',
            'Cannot accept the model: its root digest is not the one that the rule requires.',
            rootDigests.map((digest) => `sha256:${digest}`).join(' or '),
            `sha256:${rootDigest}`,
          ),
    })
  }
  return requirements
}
