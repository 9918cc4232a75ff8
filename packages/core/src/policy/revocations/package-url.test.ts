import { beforeAll, describe, expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { concernsPackage, packageName, packageUrlFault } from './package-url.ts'

const COMMIT = 'c0ffee'.padEnd(40, '0')
const DIGEST = `sha256:${'ab'.repeat(32)}`

beforeAll(() => withLibraries(() => packageName('pkg:oci/vad')))

function concerns(revoked: string, loaded: string): boolean {
  const [one, other] = [packageName(revoked), packageName(loaded)]
  return one.name === other.name && concernsPackage(one, other)
}

describe('a revoked package is found', () => {
  const model = `pkg:huggingface/acme/vad@${COMMIT}`
  const image = `pkg:oci/vad@${DIGEST}?repository_url=${encodeURIComponent('registry.example/models/vad')}`
  const otherImage = `pkg:oci/vad@sha256:${'cd'.repeat(32)}?repository_url=registry.example/models/vad`
  test.each([
    ['by name and version', model, model],
    ['by name, in every version', 'pkg:huggingface/acme/vad', model],
    ['in another letter case', `PKG:HuggingFace/Acme/VAD@${COMMIT.toUpperCase()}`, model],
    ['if its name is percent-encoded', 'pkg:huggingface/%61cme/vad', model],
    ['wherever a digest is stored', `pkg:oci/vad@${DIGEST}?repository_url=docker.io/acme/vad`, image],
    ['in its repository', 'pkg:oci/vad?repository_url=registry.example/models/vad', image],
    ['in a URL of its repository', 'pkg:oci/vad?repository_url=https://Registry.example/models/vad/', image],
    ['in its registry', 'pkg:oci/vad?repository_url=registry.example', image],
    ['in any repository', 'pkg:oci/vad', image],
    ['if nobody says where it is', 'pkg:oci/vad?repository_url=ghcr.io/acme/vad', `pkg:oci/vad@${DIGEST}`],
    [
      'under other hosts of Docker Hub',
      'pkg:oci/vad?repository_url=index.docker.io/a',
      'pkg:oci/vad?repository_url=docker.io/a/vad',
    ],
  ])('%s', (_, revoked, loaded) => {
    expect(packageUrlFault(revoked)).toBeUndefined()
    expect(concerns(revoked, loaded)).toBe(true)
  })

  test.each([
    ['another version', `pkg:huggingface/acme/vad@${'1'.repeat(40)}`, model],
    ['another name', 'pkg:huggingface/acme/va', model],
    ['another type', 'pkg:github/acme/vad', model],
    ['another repository', 'pkg:oci/vad?repository_url=registry.example/model', otherImage],
    ['another digest', `pkg:oci/vad@${DIGEST}?repository_url=registry.example/models/vad`, otherImage],
  ])('but not %s', (_, revoked, loaded) => {
    expect(packageUrlFault(revoked)).toBeUndefined()
    expect(concerns(revoked, loaded)).toBe(false)
  })
})

test.each([
  ['no package URL', 'hf://acme/vad'],
  ['no name', 'pkg:huggingface/'],
  ['a type that has two spellings', 'pkg:a+b/vad'],
  ['a part of a package', 'pkg:huggingface/acme/vad#onnx'],
  ['a qualifier that means nothing to it', 'pkg:oci/vad?arch=amd64'],
  ['a branch, which never matches', 'pkg:huggingface/acme/vad@main'],
  ['an abbreviated commit', 'pkg:huggingface/acme/vad@c0ffee'],
  ['a tag', 'pkg:oci/vad@latest'],
  ['an empty version, which never matches', 'pkg:mlflow/vad@'],
  ['a very long text', `pkg:huggingface/acme/${'v'.repeat(3_000)}`],
])('%s is refused', (_, text) => {
  expect(packageUrlFault(text)).toContain('expected')
})
