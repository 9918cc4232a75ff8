import { ConfigMap, Container, Pod } from 'kubernetes-models/v1'
import { Deployment } from 'kubernetes-models/apps/v1'

interface Manifest {
  kind?: string
  spec?: { container?: object; predictor?: { model?: { storageUri?: string } } }
}

const MODELS = { ConfigMap, Deployment, Pod }

/** What is wrong with a manifest, by the schemas of Kubernetes. KServe's own fields have none here. */
export function validateManifest(manifest: Manifest): string[] {
  const { kind = '', spec } = manifest
  if (kind in MODELS) return faultsOf(new MODELS[kind as keyof typeof MODELS](manifest as never))
  if (kind === 'ClusterStorageContainer') return faultsOf(new Container(spec?.container as never))
  if (kind === 'InferenceService') return spec?.predictor?.model?.storageUri ? [] : ['no storageUri']
  return [`unknown kind ${kind}`]
}

function faultsOf(model: { validate(): void }): string[] {
  try {
    model.validate()
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}
