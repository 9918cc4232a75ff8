import { compileGlob } from '../../../../packages/core/src/policy/matching/glob.ts'
import { sourceGlobFault } from '../../../../packages/core/src/policy/matching/source-glob.ts'
import { hubLocation } from '../../../../packages/hub/src/huggingface/hub-location.ts'
import { parseOciReference, repositoryUrl } from '../../../../packages/hub/src/oci/reference.ts'
import { readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

// A glob and a URL, on two lines: no glob is refused, as one that matches no source, that matches the source of the URL.

const target: Target = {
  longest: 128,
  dictionary: [
    'hf://',
    'oci://',
    'datasets/',
    'models/',
    '**',
    '*',
    '?',
    '{a,b}',
    'docker.io',
    ':443',
    ':5000',
    '@',
    '\n',
  ],
  seeds: () =>
    texts(
      'hf://org/*\nhf://org/name',
      'hf://datasets/**\nhf://datasets/org/name',
      'oci://registry.example/**\noci://registry.example/a/b:1',
      'oci://docker.io/library/*\noci://index.docker.io/vad',
      'oci://localhost:5000/*\noci://localhost:5000/a',
      'hf://*\nhf://gpt2',
    ),
  check(input) {
    const [glob = '', url] = textOf(input)?.split('\n') ?? []
    if (url === undefined) return
    const source = readOrRefused(() =>
      /^hf:/i.test(url) ? hubLocation(url).url : repositoryUrl(parseOciReference(url)),
    )
    const fault = sourceGlobFault(glob)
    const isSimple = /^[a-z]+:\/\/[^{]*$/.test(glob)
    if (source === REFUSED || fault === undefined || !isSimple) return
    if (!isGlob(glob) || !compileGlob(glob).matches(source)) return
    throw new Error(`The glob ${JSON.stringify(glob)} matches ${JSON.stringify(source)}, but is refused: ${fault}.`)
  },
}
export default target

function isGlob(glob: string): boolean {
  try {
    compileGlob(glob)
    return true
  } catch {
    return false
  }
}
