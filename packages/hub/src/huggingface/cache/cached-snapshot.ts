import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { localModelSource, type SourceLoad, type SourceSession } from '@modelseal/core/source'
import { hubPackageUrl, type HubLocation } from '../hub-location.ts'
import type { HubSettings } from '../hub-settings.ts'
import { referenceAt } from './reference.ts'

const COMMIT = /^[0-9a-f]{40}$/

/**
 * Opens a model in the cache of the hub's clients, for `HF_HUB_OFFLINE`. Its files are verified like any others.
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND` if it is not in the cache, and what opening a directory throws
 */
export async function openSnapshot(
  location: HubLocation,
  { cache }: HubSettings,
  load: SourceLoad,
): Promise<SourceSession> {
  const { kind, repository, revision, folder, url } = location
  const name = `${kind}--${repository.replace('/', '--')}`
  const directory = join(cache, name)
  // Where names differ only in case, the disk may answer for another spelling, which another rule may cover.
  if (!(await namesIn(cache)).includes(name)) throw notCached(url, directory)
  const commit = COMMIT.test(revision) ? revision : await referenceAt(join(directory, 'refs', revision))
  const path = commit === undefined ? undefined : join(directory, 'snapshots', commit, folder)
  if (path === undefined || !existsSync(path)) throw notCached(url, path ?? directory)
  const session = await localModelSource(path).open(load)
  return {
    revision: commit,
    requested: revision,
    packageUrl: commit === undefined ? undefined : hubPackageUrl(location, commit),
    timeouts: session.timeouts,
    model: () => session.model(),
    bundles: (names) => session.bundles(names),
    claims: (files) => session.claims?.(files) ?? [],
    directories: () => session.directories?.() ?? [],
    unverified: async () => session.unverified?.() ?? { files: await session.model() },
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => [])
}

function notCached(url: string, path: string): ModelSealError {
  return new ModelSealError('MODEL_NOT_FOUND', `Cannot load the model ${shown(url)}: it is not in the cache.`, {
    file: path,
    expected: `files at this revision in ${shown(path)}`,
    hint: 'HF_HUB_OFFLINE is set. Download the model with "hf download", or unset HF_HUB_OFFLINE.',
  })
}
