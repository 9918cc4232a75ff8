import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fetcher } from 'tuf-js'
import { ModelSealError, shown } from '../../errors.ts'
import { callService, fetchWithin } from '../../source/http/service-call.ts'
import { tufFault } from './fault.ts'
import { SIGNING_CONFIG_TARGET, TRUSTED_ROOT_TARGET, verifyRecord } from './record.ts'
import type { TufRecord } from './record-text.ts'
import type { TufRepository } from './repository.ts'

interface FetchLimits {
  /** Timeout in milliseconds for each file. */
  timeoutMs: number
  signal?: AbortSignal | undefined
}

/**
 * Fetches the current content of a TUF repository by the client workflow of TUF (1.0.33, section 5), which `tuf-js`
 * implements.
 *
 * @param known the verified record of an earlier fetch: nothing older is accepted
 * @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `TUF_*`, `ABORTED`
 */
export async function fetchRecord(
  repository: TufRepository,
  known: TufRecord | undefined,
  limits: FetchLimits,
): Promise<TufRecord> {
  const [{ Updater }, { DownloadHTTPError }] = await Promise.all([import('tuf-js'), import('tuf-js/dist/error.js')])
  const directory = await mkdtemp(join(tmpdir(), 'modelseal-tuf-'))
  const file = (name: string) => join(directory, name)
  const { url } = repository
  const download = new Download(url, limits, directory, (status) => new DownloadHTTPError('no such root', status))
  try {
    // The root that the library trusts, and the metadata that it compares versions with.
    await writeFile(file('root.json'), known ? (await verifyRecord(known, repository)).root : repository.anchor)
    for (const role of ['timestamp', 'snapshot', 'targets'] as const)
      if (known) await writeFile(file(`${role}.json`), known[role])

    const updater = new Updater({
      metadataDir: directory,
      metadataBaseUrl: url,
      targetDir: directory,
      targetBaseUrl: `${url}/targets`,
      fetcher: download,
    })
    const target = async (name: string) => {
      const info = await updater.getTargetInfo(name)
      return info && readFile(await updater.downloadTarget(info, file(`target-${name}`)))
    }
    const trustedRoot = await target(TRUSTED_ROOT_TARGET)
    if (!trustedRoot) throw new Error(`Missing ${TRUSTED_ROOT_TARGET} in targets`)
    const signingConfig = await target(SIGNING_CONFIG_TARGET)
    return {
      fetched: new Date().toISOString(),
      roots: [...(known?.roots ?? [repository.anchor]), ...download.roots],
      timestamp: await readFile(file('timestamp.json')),
      snapshot: await readFile(file('snapshot.json')),
      targets: await readFile(file('targets.json')),
      trustedRoot,
      signingConfig,
    }
  } catch (cause) {
    // The library keeps only the text of some errors.
    if (download.failure) throw download.failure
    throw cause instanceof ModelSealError ? cause : tufFault(cause, url)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Downloads files for the library, with a timeout and a size limit, and without redirects. */
class Download implements Fetcher {
  /** Why a file could not be downloaded. */
  failure: ModelSealError | undefined
  /** Root metadata in the order in which it was fetched. */
  readonly roots: Buffer[] = []
  readonly #url: string
  readonly #limits: FetchLimits
  readonly #directory: string
  readonly #noSuchRoot: (status: number) => Error

  constructor(url: string, limits: FetchLimits, directory: string, noSuchRoot: (status: number) => Error) {
    this.#url = url
    this.#limits = limits
    this.#directory = directory
    this.#noSuchRoot = noSuchRoot
  }

  async downloadFile<T>(url: string, maxLength: number, handler: (file: string) => Promise<T>): Promise<T> {
    const file = join(this.#directory, 'download')
    await writeFile(file, await this.downloadBytes(url, maxLength))
    return handler(file)
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const service = 'TUF repository'
    const tooLarge = () => tufFault(new Error(`it has more than the expected ${maxLength} bytes`), url)
    const answer = await callService({ service, url, ...this.#limits }, (signal) =>
      fetchWithin(url, maxLength, signal, tooLarge),
    ).catch((error: unknown) => {
      if (error instanceof ModelSealError) this.failure = error
      throw error
    })
    const isRoot = /\/[0-9]+\.root\.json$/.test(url)
    if ('bytes' in answer) {
      if (isRoot) this.roots.push(answer.bytes)
      return answer.bytes
    }
    // 5.3.3: the current root is then the newest.
    if (isRoot && (answer.status === 404 || answer.status === 403)) throw this.#noSuchRoot(answer.status)
    this.failure = new ModelSealError(
      'SERVICE_REFUSED',
      `The ${service} ${shown(this.#url)} refused to serve one of its files.`,
      {
        found: `HTTP status ${answer.status} for ${shown(url)}`,
        hint: 'Check the URL. The previous trusted root stays in use.',
      },
    )
    throw this.failure
  }
}
