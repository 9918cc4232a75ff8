import { ociPackageUrl, ociUrl, parseOciReference, repositoryUrl } from '../../../../packages/hub/src/oci/reference.ts'
import type { Digest } from '../../../../packages/hub/src/oci/digest.ts'
import { sourceGlobFault } from '../../../../packages/core/src/policy/matching/source-glob.ts'
import { modelUrl } from '../../../../packages/core/src/policy/matching/model-url.ts'
import { packageUrlFault } from '../../../../packages/core/src/policy/revocations/package-url.ts'
import { withLibraries } from '../../../../packages/core/src/policy/when-needed.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest

const target: Target = {
  longest: 300,
  dictionary: [
    'oci://',
    `@${DIGEST}`,
    ':443',
    ':latest',
    'docker.io',
    'localhost:5000',
    '[::1]',
    '0x7f.1',
    'xn--',
    '__',
  ],
  seeds: () =>
    texts(
      'oci://registry.example/models/vad:1.0',
      `oci://registry.example:5000/models/vad@${DIGEST}`,
      'oci://docker.io/vad',
      'oci://index.docker.io:443/library/vad',
      'oci://localhost:5000/a',
      'oci://[::1]:5000/a/b',
      'oci://127.0.0.1/a',
      'oci://Registry.Example/a--b__c.d',
    ),
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const read = readOrRefused(() => parseOciReference(text))
    if (read === REFUSED) return
    const { origin, host } = read
    mustEqual(parseOciReference(ociUrl(read)), read, 'The URL, written again')
    if (host !== 'docker.io') mustEqual(new URL(origin).host, host, 'The host of the API')
    const url = repositoryUrl(read)
    mustEqual(modelUrl(url), url, 'The URL that policies match')
    mustEqual(sourceGlobFault(url.replace(/[[\]]/g, '\\$&')), undefined, 'What is wrong with a rule for the source')
    const purl = ociPackageUrl(read, DIGEST)
    mustEqual(await withLibraries(() => packageUrlFault(purl)), undefined, 'What is wrong with the package URL')
  },
}
export default target
