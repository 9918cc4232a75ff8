import type { IncomingMessage, ServerResponse } from 'node:http'
import { digest, entriesOf, isLarge, refuse, send, type Repository, type SmallHub } from './small-hub.ts'
import { bodyOf } from './request-body.ts'

/** A line of a commit: a header, a file, a file in large file storage, or a file to delete. */
interface CommitLine {
  readonly key: 'header' | 'file' | 'lfsFile' | 'deletedFile'
  readonly value: {
    readonly path: string
    readonly content: string
    readonly oid: string
    readonly parentCommit?: string
  }
}

/** What was sent. */
interface Upload {
  readonly url: URL
  readonly body: Buffer
}

const PATHS =
  /^\/(?:api\/(?:models\/|(?=datasets\/)))?((?:datasets\/)?[^/]+\/[^/]+?)(?:\.git)?\/(preupload|paths-info|commit|info\/lfs\/objects\/batch)(?:\/([^/]+))?$/

/** The part of a hub that stores what its clients upload. */
export class HubUploads {
  readonly #hub: SmallHub
  #pullRequests = 0

  constructor(hub: SmallHub) {
    this.#hub = hub
  }

  async answer(to: 'hub' | 'storage', request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    if (!body) return
    const upload = { url: new URL(request.url ?? '', 'http://hub'), body }
    if (to === 'storage') this.#store(upload, response)
    else if (upload.url.pathname === '/api/validate-yaml') send(response, { errors: [], warnings: [] })
    else if (!/^Bearer hf_/.test(request.headers.authorization ?? '')) refuse(response, 401, 'Unauthorized')
    else if (upload.url.pathname === '/api/repos/create') this.#create(upload, response)
    else this.#change(upload, request, response)
  }

  #store({ url, body }: Upload, response: ServerResponse): void {
    const oid = url.pathname.split('/').at(-1) ?? ''
    const isRight = digest('sha256', body) === oid
    if (isRight) this.#hub.stored.set(oid, body)
    response.writeHead(isRight ? 200 : 400, { etag: `"${oid}"` }).end()
  }

  #create({ body }: Upload, response: ServerResponse): void {
    const { name, organization, type } = JSON.parse(body.toString('utf8')) as Record<string, string | undefined>
    const id = `${type === 'dataset' ? 'datasets/' : ''}${organization ?? 'me'}/${name ?? ''}`
    if (this.#hub.repositories.has(id)) {
      send(response, { error: 'You already created this repo', url: `${this.#hub.origin}/${id}` }, 409)
      return
    }
    this.#hub.commit(id, new Map([['.gitattributes', Buffer.from('*.bin filter=lfs\n')]]))
    send(response, { url: `${this.#hub.origin}/${id}`, id, name: id })
  }

  #change(upload: Upload, request: IncomingMessage, response: ServerResponse): void {
    const [, name = '', verb = '', revision = ''] = PATHS.exec(upload.url.pathname) ?? []
    const repository = this.#hub.repositories.get(name)
    if (!repository) refuse(response, 404, 'RepoNotFound')
    else if (verb === 'preupload') this.#preupload(upload, response)
    else if (verb === 'info/lfs/objects/batch') this.#batch(upload, response)
    else if (verb === 'paths-info') this.#paths(upload, request, response, { repository, revision })
    else this.#commit(upload, response, { name, repository, branch: decodeURIComponent(revision) })
  }

  #preupload({ body }: Upload, response: ServerResponse): void {
    const { files } = JSON.parse(body.toString('utf8')) as { files: { path: string }[] }
    const modes = files.map(({ path }) => ({
      path,
      uploadMode: isLarge(path) ? 'lfs' : 'regular',
      shouldIgnore: false,
      oid: null,
    }))
    send(response, { files: modes })
  }

  #batch({ body }: Upload, response: ServerResponse): void {
    const { objects } = JSON.parse(body.toString('utf8')) as { objects: { oid: string; size: number }[] }
    const answers = objects.map(({ oid, size }) => {
      const actions = { upload: { href: `${this.#hub.storage}/lfs/${oid}?signature=secret` } }
      return this.#hub.stored.has(oid) ? { oid, size } : { oid, size, actions }
    })
    send(response, { transfer: 'basic', objects: answers })
  }

  #paths(
    { body }: Upload,
    request: IncomingMessage,
    response: ServerResponse,
    at: { repository: Repository; revision: string },
  ) {
    const asked = decodeURIComponent(at.revision)
    const files =
      at.repository.commits.get(at.repository.references.get(asked) ?? asked) ?? new Map<string, Uint8Array>()
    const isJson = request.headers['content-type']?.startsWith('application/json')
    const text = body.toString('utf8')
    const paths = isJson ? (JSON.parse(text) as { paths: string[] }).paths : new URLSearchParams(text).getAll('paths')
    const entries = entriesOf(files, '', true) as { path: string }[]
    send(
      response,
      entries.filter(({ path }) => paths.includes(path)),
    )
  }

  #commit(
    { url, body }: Upload,
    response: ServerResponse,
    to: { name: string; repository: Repository; branch: string },
  ): void {
    const { name, repository, branch } = to
    const lines = body
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as CommitLine)
    const head = repository.references.get(branch) ?? ''
    const parent = lines.find(({ key }) => key === 'header')?.value.parentCommit ?? head
    const isPullRequest = url.searchParams.get('create_pr') === '1'
    if (!isPullRequest && parent !== head) {
      send(response, { error: 'A commit has happened since. Please refresh and try again.' }, 412)
      return
    }
    const files = new Map(repository.commits.get(parent))
    for (const { key, value } of lines) this.#apply(files, key, value)
    const target = isPullRequest ? `refs/pr/${(this.#pullRequests += 1)}` : branch
    const commitOid = this.#hub.commit(name, this.#hub.committing(files), { branch: target })
    const page = `${this.#hub.origin}/${name}`
    const pullRequest = isPullRequest ? { pullRequestUrl: `${page}/discussions/${this.#pullRequests}` } : {}
    send(response, {
      success: true,
      commitOid,
      commitUrl: `${page}/commit/${commitOid}`,
      hookOutput: '',
      ...pullRequest,
    })
  }

  #apply(files: Map<string, Uint8Array>, key: CommitLine['key'], { path, content, oid }: CommitLine['value']): void {
    if (key === 'file') files.set(path, Buffer.from(content, 'base64'))
    else if (key === 'lfsFile') files.set(path, this.#hub.stored.get(oid) ?? Buffer.from('missing'))
    else if (key === 'deletedFile') files.delete(path)
  }
}
