import { openAsBlob } from 'node:fs'
import type * as Client from '@huggingface/hub'
import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  otherBundlesAmong,
  type Publication,
  publishableBeside,
  pushRefused,
  pushUnproven,
  readBack,
  readClaims,
  unsignedAmong,
  withClaims,
} from '@modelseal/core/publishing'
import { CLAIMS_NAME, type SourceEntry } from '@modelseal/core/source'
import type { HuggingFacePush, PushedModel, PushSettings } from '../../publishing/push-options.ts'
import { HubClient } from '../hub-client.ts'
import type { HubLocation } from '../hub-location.ts'
import { HubRepository } from '../hub-repository.ts'
import { HubSession } from '../hub-session.ts'
import { hubSettings, type HubSettings } from '../hub-settings.ts'
import { clientPackage } from './client-package.ts'
import { typedFailure } from './failure.ts'
import { guardedFetch } from './guarded-fetch.ts'

const COMMIT = /^[0-9a-f]{40}$/
const DEFAULT_MESSAGE = 'Upload a signed model'
const MAX_SHOWN = 8
const BUNDLE_NAME = /\.sig$/

/** The branch before the push. */
interface Parent {
  readonly commit: string
  /** In the folder of the model. */
  readonly entries: readonly SourceEntry[]
  /** The content of its file of attestations; undefined if there is none, or nothing to add. */
  readonly claims: Buffer | undefined
}

/** One push to a repository of a hub. */
export class HubPush {
  readonly #location: HubLocation
  readonly #settings: HubSettings & { readonly token: string }
  readonly #client: typeof Client
  readonly #options: PushSettings
  readonly #asked: HuggingFacePush

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT`, `PUSH_UNAVAILABLE`, `PUSH_REFUSED` without a token */
  static async to(location: HubLocation, options: PushSettings): Promise<HubPush> {
    const { endpoint, token } = options.huggingFace ?? {}
    const { url, revision } = location
    // What is in the cache says nothing about what the hub serves.
    const settings = await hubSettings({ endpoint, token, cache: false }, process.env)
    if (options.cosignSigner) throw unusable('a registry (oci://) for a cosign signature', shown(url))
    if (COMMIT.test(revision)) throw unusable('a branch after "@"', 'a commit')
    if (settings.offline) throw unusable('a hub that may be asked, without HF_HUB_OFFLINE', 'HF_HUB_OFFLINE=1')
    if (settings.token === undefined) throw pushRefused(url, 'there is no access token', { hint: TOKEN_HINT })
    // What the client of the hub demands.
    if (!settings.token.startsWith('hf_')) throw unusable('an access token that begins with "hf_"', 'another')
    return new HubPush(location, { ...settings, token: settings.token }, options)
  }

  private constructor(location: HubLocation, settings: HubSettings & { token: string }, options: PushSettings) {
    this.#location = location
    this.#settings = settings
    this.#options = options
    this.#asked = options.huggingFace ?? {}
    this.#client = clientPackage()
  }

  async push(given: Publication): Promise<PushedModel> {
    const { location, verify, signal } = { ...this.#options, location: this.#location }
    const publication = publishableBeside(given)
    const parent = (await this.#parent(publication)) ?? (await this.#created(publication))
    const deleted = this.#deletedBy(publication, parent)
    signal?.throwIfAborted()
    const { commit, pullRequestUrl } = await this.#committed(publication, parent, deleted)
    const revision = pullRequestUrl === undefined ? location.revision : pullRequestRevision(pullRequestUrl)
    const place = `${location.url}@${commit}`
    const served = await readBack(
      { place, revision: commit, source: this.#sourceAt({ ...location, revision }) },
      publication,
      this.#options,
    )
    const { files, bundles, manifest, signers, attestations, leftOut } = publication
    return {
      url: location.folder === '' ? place : `${place}/${location.folder}`,
      revision: commit,
      requested: revision,
      pullRequest: pullRequestUrl,
      rootDigest: manifest.rootDigest,
      signers,
      uploaded: files.map(({ name, size }) => ({ name, size })),
      bundles: bundles.map(({ name }) => `${place}/${this.#pathOf(name)}`),
      bundleFiles: bundles.map(({ path }) => path),
      attestations: attestations.map(({ type, digest, path }) => ({ type, digest, path })),
      leftOut,
      checked: { full: verify === 'full', files: served.files.listed, read: served.files.read, bytes: served.bytes },
      deleted,
    }
  }

  /** A load must accept what is left, and find all bundles of the publication and no others. */
  #deletedBy(publication: Publication, { entries }: Parent): readonly string[] {
    const { hiding, beside } = otherBundlesAmong(publication, entries)
    const others = new Set([...unsignedAmong(publication, entries), ...beside])
    for (const name of hiding) others.delete(name)
    const { url } = this.#location
    if (others.size > 0 && this.#asked.delete !== true) throw otherFiles(url, [...others], beside)
    return [...hiding, ...others]
  }

  /** @returns undefined if there is no such repository */
  async #parent({ attestations }: Publication): Promise<Parent | undefined> {
    const client = new HubClient(this.#location, this.#settings, { signal: this.#options.signal })
    try {
      const repository = await HubRepository.at(client, this.#location, { settings: this.#settings, signal: undefined })
      const entries = (await repository.list(this.#location.folder, true)) ?? []
      const hasClaims = attestations.length > 0 && entries.some(({ name }) => name === CLAIMS_NAME)
      const claims = hasClaims ? await this.#readClaims(repository) : undefined
      return { commit: repository.commit, entries, claims }
    } catch (error) {
      const isMissing = error instanceof ModelSealError && error.code === 'MODEL_NOT_FOUND'
      if (!isMissing) throw error
      const isMissingBranch = error.message.includes('no revision')
      if (this.#asked.createRepo === true && !isMissingBranch) return undefined
      throw new ModelSealError('MODEL_NOT_FOUND', error.message.replace('Cannot load', 'Cannot push'), {
        file: error.file,
        hint: isMissingBranch
          ? 'A push creates no branches: create it on the hub.'
          : 'Use --create-repo ("createRepo") to create the repository.',
        cause: error,
      })
    } finally {
      await client.stop()
    }
  }

  #readClaims(repository: HubRepository): Promise<Buffer> {
    const path = this.#pathOf(CLAIMS_NAME)
    const { signal = new AbortController().signal } = this.#options
    return readClaims(path, (receive) => repository.read({ path, what: 'file of attestations', signal }, receive))
  }

  async #created(publication: Publication): Promise<Parent> {
    const { private: isPrivate } = this.#asked
    try {
      await this.#client.createRepo({
        ...this.#request(),
        ...(isPrivate === true ? { visibility: 'private' } : {}),
      })
    } catch (error) {
      throw typedFailure(error, { place: this.#location.url, what: 'the hub did not create the repository' })
    }
    const parent = await this.#parent(publication)
    if (parent) return parent
    throw pushRefused(this.#location.url, 'the hub does not have the repository that it created')
  }

  /** One commit with all files and bundles, on top of the parent. */
  async #committed(publication: Publication, parent: Parent, deleted: readonly string[]) {
    const { revision, url } = this.#location
    const { signal } = this.#options
    const blobs = await Promise.all(
      publication.files.map(async ({ name, path }) => ({ name, content: await openAsBlob(path) })),
    )
    const bundles = publication.bundles.map(({ name, bytes }) => ({
      name,
      content: new Blob([Uint8Array.from(bytes)]),
    }))
    const claims = withClaims(parent.claims, publication.attestations)
    if (claims) bundles.push({ name: CLAIMS_NAME, content: new Blob([Uint8Array.from(claims)]) })
    try {
      const iterator = this.#client.commitIter({
        ...this.#request(),
        branch: revision,
        parentCommit: parent.commit,
        title: this.#asked.message ?? DEFAULT_MESSAGE,
        isPullRequest: this.#asked.createPr === true,
        useXet: !/^(?:1|ON|YES|TRUE)$/i.test(process.env.HF_HUB_DISABLE_XET ?? ''),
        operations: [
          ...deleted.map((name) => ({ operation: 'delete' as const, path: this.#pathOf(name) })),
          ...[...blobs, ...bundles].map(({ name, content }) => ({
            operation: 'addOrUpdate' as const,
            path: this.#pathOf(name),
            content,
          })),
        ],
        ...(signal ? { abortSignal: signal } : {}),
      })
      const sizes = new Map(publication.files.map(({ name, size }) => [this.#pathOf(name), size]))
      const output = await finished(iterator, this.#progress(sizes))
      const oid = output?.commit.oid
      if (typeof oid === 'string' && COMMIT.test(oid)) return { commit: oid, pullRequestUrl: output?.pullRequestUrl }
    } catch (error) {
      const name = revision === '' ? url : `${url}@${revision}`
      throw typedFailure(error, { place: name, what: 'the upload failed', parent: parent.commit, signal })
    }
    throw pushUnproven(url, pushRefused(url, 'the hub does not say which commit it made'))
  }

  #request() {
    const { endpoint, token } = this.#settings
    const { kind, repository } = this.#location
    return {
      repo: { type: kind === 'datasets' ? ('dataset' as const) : ('model' as const), name: repository },
      hubUrl: endpoint.href.replace(/\/$/, ''),
      accessToken: token,
      fetch: guardedFetch(endpoint, token),
    }
  }

  #progress(sizes: ReadonlyMap<string, number>): (event: Client.CommitProgressEvent) => void {
    const { onProgress } = this.#options
    const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    const done = new Map<string, number>()
    return (event) => {
      if (event.event !== 'fileProgress' || event.state !== 'uploading') return
      done.set(event.path, (sizes.get(event.path) ?? 0) * event.progress)
      onProgress?.(Math.round([...done.values()].reduce((sum, bytes) => sum + bytes, 0)), total)
    }
  }

  #pathOf(name: string): string {
    const { folder } = this.#location
    return folder === '' ? name : `${folder}/${name}`
  }

  /** Never a cache: it would prove nothing of the hub. */
  #sourceAt(location: HubLocation) {
    const settings = this.#settings
    return {
      place: { url: location.url },
      open: ({ signal }: { signal: AbortSignal | undefined }) => HubSession.open({ location, settings, signal }),
    }
  }
}

const TOKEN_HINT = 'Set HF_TOKEN to a token that may write to the repository, or run "hf auth login".'

/** Runs the upload to its end. */
async function finished(
  iterator: ReturnType<typeof Client.commitIter>,
  tell: (event: Client.CommitProgressEvent) => void,
): Promise<Client.CommitOutput | undefined> {
  for (;;) {
    const { done, value } = await iterator.next()
    if (done === true) return value
    tell(value)
  }
}

/** `…/discussions/7` is `refs/pr/7`. */
function pullRequestRevision(url: string): string {
  const [, number] = /\/discussions\/(\d{1,9})$/.exec(url) ?? []
  if (number !== undefined) return `refs/pr/${number}`
  throw pushUnproven(url, pushRefused(url, 'the hub does not say which pull request it opened'))
}

/** @param beside those that loads would read as well */
function otherFiles(place: string, names: readonly string[], beside: readonly string[]): ModelSealError {
  const more = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : ''
  const areBundles = names.every((name) => BUNDLE_NAME.test(name))
  const why =
    names.length === beside.length ? 'Loads would read them too.' : 'Loads would refuse the model because of them.'
  return new ModelSealError(
    'FILE_UNSIGNED',
    `Cannot push to ${shown(place)}: it has ${areBundles ? 'other signature bundles' : 'files that are not signed'}.`,
    {
      file: names[0],
      expected: areBundles ? 'only the bundles that are pushed' : 'only files that the signature covers',
      found: names.slice(0, MAX_SHOWN).map(shown).join(', ') + more,
      hint:
        `${why} To delete them in the same commit, use --delete ("delete")` +
        (areBundles ? '.' : ', or add them to the model and sign it again.'),
      problems: names.map((file) => ({ code: 'FILE_UNSIGNED', file })),
    },
  )
}

function unusable(expected: string, found: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot push to Hugging Face with these settings.', { expected, found })
}
