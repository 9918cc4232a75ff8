import {
  canonicalPackageUrl,
  packageName,
  packageUrlFault,
} from '../../../../packages/core/src/policy/revocations/package-url.ts'
import { withLibraries } from '../../../../packages/core/src/policy/when-needed.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

const target: Target = {
  longest: 160,
  dictionary: ['pkg:', 'huggingface/', 'oci/', '?repository_url=', '@sha256%3A', '%2F', '%25', '#', '@', '&'],
  seeds: () =>
    texts(
      'pkg:huggingface/acme/vad@0123456789abcdef0123456789abcdef01234567',
      'pkg:huggingface/Acme/Vad',
      `pkg:oci/vad@sha256:${'a'.repeat(64)}?repository_url=ghcr.io%2Facme%2Fvad`,
      'pkg:generic/vad@1.0',
      'pkg://huggingface//acme/vad',
    ),
  async check(input) {
    const text = textOf(input)
    if (text === undefined || (await withLibraries(() => packageUrlFault(text))) !== undefined) return
    const canonical = canonicalPackageUrl(text)
    mustEqual(packageUrlFault(canonical), undefined, 'What is wrong with the canonical form')
    mustEqual(canonicalPackageUrl(canonical), canonical, 'The canonical form of the canonical form')
    mustEqual(packageName(canonical), packageName(text), 'The name of the canonical form')
  },
}
export default target
