import { shown } from '../errors.ts'
import type { Manifest } from './manifest.ts'

/** Whether a manifest is of another model than the one with this name and these files: the names differ, and no file is in both. */
export function isOfOtherModel(
  manifest: Pick<Manifest, 'modelName' | 'files'>,
  modelName: string,
  files: Iterable<string>,
): boolean {
  if (manifest.modelName === modelName) return false
  for (const name of files) if (manifest.files.has(name)) return false
  return true
}

/** What to do about a bundle of another model. */
export function otherModelHint({ modelName }: Pick<Manifest, 'modelName'>): string {
  return `The bundle is of the model ${shown(modelName)}, and none of the files that it covers is here. Use the bundle of this model, or give the path of that one.`
}
