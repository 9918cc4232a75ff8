import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isUrl } from '../catalogue/model-line.ts'

/**
 * Where the bundle of a model is: beside or in a model on disk, where loads look for it; for one that is elsewhere, in the directory of bundles.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` (no directory of bundles)
 */
export function bundlePlace(model: string, bundles: string | undefined): string {
  if (!isUrl(model)) {
    return isDirectory(model) ? join(model, 'model.sig') : `${model}.sig`
  }
  if (bundles === undefined)
    throw new ModelSealError('INVALID_ARGUMENT', `Cannot sign ${shown(model)}: it is not on this machine.`, {
      expected: 'a directory for the bundles of such models',
      hint: 'On the command line, give it with --bundles.',
    })
  // Readable, and never that of another URL.
  const readable = model.replace(/^[a-z]+:\/\//i, '').replace(/[^A-Za-z0-9._-]+/g, '-')
  const digest = createHash('sha256').update(model).digest('hex').slice(0, 16)
  return join(bundles, `${readable.slice(-128)}.${digest}.sig`)
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // Whoever opens it reports what is wrong with it.
    return true
  }
}
