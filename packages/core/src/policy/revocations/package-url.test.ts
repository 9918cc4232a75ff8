import { beforeAll, describe, expect, test } from 'vitest'
import { LibraryNeeded, withLibraries } from '../when-needed.ts'
import { canonicalPackageUrl, concernsPackage, packageName, packageUrlFault, type PackageName } from './package-url.ts'

const COMMIT = 'c0ffee'.padEnd(40, '0')
const DIGEST = `sha256:${'ab'.repeat(32)}`

beforeAll(async () => {
  // Until it is loaded.
  for (const parse of [packageName, packageUrlFault, canonicalPackageUrl])
    expect(() => parse('pkg:oci/vad')).toThrow(LibraryNeeded)
  await withLibraries(() => packageUrlFault('pkg:oci/vad'))
})

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
    ['if nobody says which version it is', 'pkg:mlflow/vad@1', 'pkg:mlflow/vad'],
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
    [
      'the start of its repository',
      'pkg:mlflow/vad?repository_url=registry.example/models',
      'pkg:mlflow/vad?repository_url=registry.example/models-2',
    ],
    [
      'a version like the start of a digest',
      `pkg:mlflow/vad@1?repository_url=registry.example/a`,
      'pkg:mlflow/vad@1?repository_url=registry.example/b',
    ],
    ['another digest', `pkg:oci/vad@${DIGEST}?repository_url=registry.example/models/vad`, otherImage],
  ])('but not %s', (_, revoked, loaded) => {
    expect(packageUrlFault(revoked)).toBeUndefined()
    expect(concerns(revoked, loaded)).toBe(false)
  })
})

const A_URL = 'expected a package URL such as pkg:huggingface/acme/vad@COMMIT'
const A_VERSION = 'expected no version, for all versions, or'

test.each([
  ['no package URL', 'hf://acme/vad', `${A_URL} (`],
  ['no name', 'pkg:huggingface/', `${A_URL} (`],
  ['a type that has two spellings', 'pkg:a+b/vad', `${A_URL}, of a type without "+"`],
  ['a part of a package', 'pkg:huggingface/acme/vad#onnx', `${A_URL}, without a part after "#"`],
  [
    'a qualifier that means nothing to it',
    'pkg:oci/vad?arch=amd64&repository_url=ghcr.io',
    `${A_URL}, with no other qualifier than repository_url`,
  ],
  ['a branch, which never matches', 'pkg:huggingface/acme/vad@main', `${A_VERSION} a commit of 40 hex digits`],
  ['an abbreviated commit', 'pkg:huggingface/acme/vad@c0ffee', `${A_VERSION} a commit of 40 hex digits`],
  ['a commit with a prefix', `pkg:huggingface/acme/vad@v${COMMIT}`, `${A_VERSION} a commit of 40 hex digits`],
  ['a commit that goes on', `pkg:huggingface/acme/vad@${COMMIT}0`, `${A_VERSION} a commit of 40 hex digits`],
  ['a tag', 'pkg:oci/vad@latest', `${A_VERSION} the digest of a manifest (sha256:…)`],
  ['a short digest', `pkg:oci/vad@${DIGEST.slice(0, -1)}`, `${A_VERSION} the digest of a manifest (sha256:…)`],
  ['a long digest', `pkg:oci/vad@${DIGEST}0`, `${A_VERSION} the digest of a manifest (sha256:…)`],
  ['a digest with a prefix', `pkg:oci/vad@x${DIGEST}`, `${A_VERSION} the digest of a manifest (sha256:…)`],
  [
    'a digest that is short for its algorithm',
    `pkg:oci/vad@sha512:${'ab'.repeat(32)}`,
    `${A_VERSION} the digest of a manifest (sha256:…)`,
  ],
  ['an empty version, which never matches', 'pkg:mlflow/vad@', `${A_VERSION} one after "@"`],
  ['a very long text', `pkg:npm/${'v'.repeat(2_041)}`, `${A_URL} of at most 2048 characters`],
])('%s is refused', (_, text, fault) => {
  expect(packageUrlFault(text)?.slice(0, fault.length)).toBe(fault)
  if (!fault.endsWith('(')) expect(packageUrlFault(text)).toBe(fault)
})

test.each([
  `pkg:npm/${'v'.repeat(2_040)}`,
  `pkg:oci/vad@${DIGEST.toUpperCase()}`,
  `pkg:oci/vad@sha512:${'ab'.repeat(64)}`,
  'pkg:mlflow/vad@1',
  'pkg:github/acme/vad@main',
])('%.60s is not', (text) => expect(packageUrlFault(text)).toBeUndefined())

test.each<readonly [string, PackageName]>([
  ['pkg:GitHub/Acme/Vad@V1', { name: 'github/acme/vad', version: 'v1', repository: undefined }],
  ['pkg:npm/a', { name: 'npm/a', version: undefined, repository: undefined }],
  ...(
    [
      ['HTTPS://Ghcr.io/A/vad//', 'ghcr.io/a/vad'],
      ['oci+x.y-1://a', 'a'],
      ['a/http://b', 'a/http://b'],
      ['1://a', '1://a'],
      ['index.docker.io', 'docker.io'],
      ['registry-1.docker.io/a', 'docker.io/a'],
      ['index.docker.iox/a', 'index.docker.iox/a'],
      ['xindex.docker.io/a', 'xindex.docker.io/a'],
      ['a//b/', 'a//b'],
    ] as const
  ).map(
    ([url, repository]) =>
      [
        `pkg:oci/vad?repository_url=${encodeURIComponent(url)}`,
        { name: 'oci/vad', version: undefined, repository },
      ] as const,
  ),
])('%s is compared in one form', (text, name) => expect(packageName(text)).toEqual(name))

test('a package URL has a canonical form', () => {
  expect(canonicalPackageUrl('pkg:GitHub/Acme/Vad@V1')).toBe('pkg:github/acme/vad@V1')
})
