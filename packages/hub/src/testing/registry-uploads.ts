import type { IncomingMessage, ServerResponse } from 'node:http'
import { sha256, type TestRegistry } from './oci-registry.ts'
import { bodyOf } from './request-body.ts'

/** The part of a registry that stores what is pushed: one piece for each blob, as most clients send it. */
export class RegistryUploads {
  readonly #registry: TestRegistry
  #started = 0

  constructor(registry: TestRegistry) {
    this.#registry = registry
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const bytes = await bodyOf(request)
    if (!bytes) return
    const { pathname, searchParams } = new URL(url, 'http://registry')
    const [, kind = '', rest = ''] = /^\/v2\/models\/vad\/(blobs\/uploads|manifests)\/(.*)$/.exec(pathname) ?? []
    const registry = this.#registry
    if (method === 'POST') {
      const location = `/v2/models/vad/blobs/uploads/${(this.#started += 1)}?state=a%2Fb`
      registry.send(response, 202, '', { location })
    } else if (kind === 'blobs/uploads') {
      const digest = searchParams.get('digest') ?? ''
      if (digest !== sha256(bytes)) {
        registry.send(response, 400, '{"errors":[{"code":"DIGEST_INVALID"}]}')
        return
      }
      registry.blobs.set(digest, bytes)
      registry.send(response, 201, '', { 'docker-content-digest': digest })
    } else {
      const { subject } = JSON.parse(bytes.toString('utf8')) as { subject?: { digest: string } }
      const type = request.headers['content-type'] ?? ''
      const tag = rest.startsWith('sha256:') ? undefined : rest
      const digest = registry.pushRaw(bytes.toString('utf8'), { type, tag, subject: subject?.digest })
      const listed = subject && registry.hasReferrers ? { 'oci-subject': subject.digest } : {}
      registry.send(response, 201, '', { 'docker-content-digest': digest, ...listed })
    }
  }
}
