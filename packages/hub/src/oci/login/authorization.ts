import type { HttpAnswer } from '@modelseal/core/http'
import { challengeIn } from './challenge.ts'
import { dockerCredentials, type FoundCredentials } from './docker-credentials.ts'
import type { OciReference } from '../reference.ts'
import { basic, checkedRealm, fetchToken, mayReceiveCredentials } from './token-service.ts'

/**
 * What the requests of one load say about who asks. Nothing is said until the registry demands it: most models are
 * public, and then no credentials are even looked for.
 */
export class Authorization {
  readonly #reference: OciReference
  readonly #signal: AbortSignal
  readonly #actions: string
  #header: string | undefined
  #found: Promise<FoundCredentials> | undefined
  #answering: Promise<string | undefined> | undefined
  /** Why stored credentials were not used. */
  #trouble = ''

  /** @param actions what the token must allow: `pull`, or `pull,push` */
  constructor(reference: OciReference, signal: AbortSignal, actions: string) {
    this.#reference = reference
    this.#signal = signal
    this.#actions = actions
  }

  /** For requests to the registry's own origin, and to no other. */
  get headers(): Readonly<Record<string, string>> {
    return this.#header === undefined ? {} : { authorization: this.#header }
  }

  /** What to do if the registry denies access. */
  get hint(): string {
    return `${this.#trouble}Check the URL of the model, and log in with "docker login ${this.#reference.host}" if it is private.`
  }

  /**
   * Answers a challenge of the registry. Requests that are refused at the same time share one answer.
   *
   * @param sent the headers that were refused
   * @returns whether to repeat the request
   */
  async answer({ headers }: HttpAnswer, sent: Readonly<Record<string, string>>): Promise<boolean> {
    if (sent.authorization !== this.#header) return true
    const header = headers.get('www-authenticate')
    this.#answering ??= this.#answerTo(header).finally(() => (this.#answering = undefined))
    const next = await this.#answering
    this.#header = next
    return next !== undefined
  }

  async #answerTo(header: string | null): Promise<string | undefined> {
    const challenge = challengeIn(header)
    if (!challenge) return undefined
    if (challenge.scheme === 'basic') {
      const { credentials } = await this.#credentials()
      const isPassword = credentials && credentials.identityToken === undefined
      return isPassword ? unlessSent(basic(credentials), this.#header) : undefined
    }
    const registry = new URL(this.#reference.origin)
    const realm = await checkedRealm(challenge.parameters.get('realm'), registry)
    const { credentials } = await this.#credentials()
    const isTrusted = mayReceiveCredentials(realm, registry)
    if (credentials && !isTrusted)
      this.#trouble = `The stored credentials were not sent, because the token service ${realm.host} does not belong to the registry. `
    const scope = `repository:${this.#reference.repository}:${this.#actions}`
    const request = { realm, service: challenge.parameters.get('service'), scope }
    const { hint } = this
    return `Bearer ${await fetchToken(request, isTrusted ? credentials : undefined, { signal: this.#signal, hint })}`
  }

  async #credentials(): Promise<FoundCredentials> {
    this.#found ??= dockerCredentials(this.#reference.host, this.#signal)
    const found = await this.#found
    if (found.trouble !== undefined) this.#trouble = `${found.trouble} `
    return found
  }
}

/** The same credentials a second time would be refused again. */
function unlessSent(header: string, sent: string | undefined): string | undefined {
  return header === sent ? undefined : header
}
