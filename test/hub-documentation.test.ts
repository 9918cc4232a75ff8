import { readFileSync } from 'node:fs'
import { loadPolicy } from '@modelseal/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { hubLocation } from '../packages/hub/src/huggingface/hub-location.ts'
import { parseOciReference } from '../packages/hub/src/oci/reference.ts'
import { TestSite } from '../packages/core/src/testing/site.ts'
import { rulesOf } from './support/models.ts'

const text = readFileSync(new URL('../docs/how-to/kserve.md', import.meta.url), 'utf8')
const blocks = (kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block)

interface Container {
  image: string
  args?: string[]
  volumeMounts?: { name: string; mountPath: string }[]
}

interface Manifest {
  kind: string
  spec: {
    initContainers?: Container[]
    containers?: Container[]
    volumes?: { name: string }[]
    container?: Container
    supportedUriFormats?: { prefix: string }[]
    predictor?: { model: { storageUri: string } }
  }
}

const manifests = blocks('yaml checked=kubernetes').map((block) => parse(block) as Manifest)
const specOf = (kind: string) => manifests.find((manifest) => manifest.kind === kind)?.spec

let site: TestSite
beforeAll(async () => {
  site = await TestSite.make()
  await site.key('keys/release')
})
afterAll(() => site.remove())

test('every manifest of docs/how-to/kserve.md is YAML of a known kind', () => {
  expect(manifests.map(({ kind }) => kind)).toEqual(['Pod', 'ClusterStorageContainer', 'InferenceService'])
})

test('the policy of docs/how-to/kserve.md is valid', async () => {
  const [policy, ...others] = blocks('yaml file=pull.policy.yaml')
  expect(others).toEqual([])
  expect(rulesOf(await loadPolicy(await site.policy(policy)))).toHaveLength(2)
})

test('the init container gets a pinned model and a directory on a volume that the service mounts', () => {
  const { initContainers: [init] = [], containers: [service] = [], volumes = [] } = specOf('Pod') ?? {}
  const [source = '', directory = '', ...more] = init?.args ?? []
  expect(more).toEqual([])
  expect(parseOciReference(source).version.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
  const mount = init?.volumeMounts?.find(({ mountPath }) => directory.startsWith(`${mountPath}/`))
  expect(service?.volumeMounts).toContainEqual({ ...mount, readOnly: true })
  expect(volumes.map(({ name }) => name)).toEqual(init?.volumeMounts?.map(({ name }) => name))
})

test('the storage container takes the URL of the service', () => {
  const { container, supportedUriFormats = [] } = specOf('ClusterStorageContainer') ?? {}
  const uri = specOf('InferenceService')?.predictor?.model.storageUri ?? ''
  expect(hubLocation(uri).revision).toMatch(/^[0-9a-f]{40}$/)
  expect(supportedUriFormats.some(({ prefix }) => uri.startsWith(prefix))).toBe(true)
  expect(container?.image).toBe(specOf('Pod')?.initContainers?.[0]?.image)
  expect(
    blocks('dockerfile checked=dockerfile').filter((block) => block.includes('ENTRYPOINT ["modelseal", "pull"]')),
  ).toHaveLength(1)
})
