import { sourceContract } from '../../../core/src/testing/source-contract.ts'
import { MODEL_TAR, tarOf } from '../testing/oci-archives.ts'
import { TestRegistry } from '../testing/oci-registry.ts'
import { ociSource } from './oci-source.ts'

sourceContract('files pushed with ORAS', async (files) => {
  const registry = await TestRegistry.start()
  registry.pushFiles(files)
  return ociSource(registry.url())
})

sourceContract('a ModelPack archive with an attached bundle', async (files) => {
  const registry = await TestRegistry.start({ referrersApi: false })
  const bundle = files.get('model.sig')
  const content = await tarOf([...files].filter(([name]) => name !== 'model.sig'))
  const digest = registry.push([{ mediaType: MODEL_TAR, content }], { tag: '1.0' })
  if (bundle) registry.attach(bundle, digest)
  return ociSource(registry.url())
})
