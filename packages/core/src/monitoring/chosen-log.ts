import type { KeyObject } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { namesOfLog } from '../verification/sigstore/checkpoint.ts'
import { isValidAt, type SigstoreTrust } from '../verification/sigstore/trust.ts'

/** A log that a trusted root names. */
export interface TrustedLog {
  /** Its base URL, without a trailing slash. */
  url: string
  key: KeyObject
  /** The names that its checkpoints may have. */
  names: readonly string[]
}

/** Rekor v1, whose entries are not read: a trusted root does not tell the version of a log. */
const OLD_LOGS = new Set(['https://rekor.sigstore.dev', 'https://rekor.sigstage.dev'])

/**
 * The log to monitor, and the other logs of the trusted root that this instance may still use.
 *
 * @param wanted base URL of the log; it may be missing if the trusted root names only one of Rekor v2
 * @throws {@link ModelSealError} `LOG_UNTRUSTED`, `INVALID_ARGUMENT`
 */
export function chosenLog(trust: SigstoreTrust, wanted: string | undefined): { log: TrustedLog; others: string[] } {
  const known = trust.material.tlogs.map(({ baseURL, publicKey, validFor }) => ({
    url: plain(baseURL),
    key: publicKey,
    names: namesOfLog(baseURL),
    isCurrent: isValidAt(validFor, [new Date()]),
  }))
  const current = known.filter(({ isCurrent }) => isCurrent)
  const candidates = current.filter(({ url }) => (wanted === undefined ? !isOld(url, trust) : url === plain(wanted)))
  const [log, ...more] = candidates
  if (!log) throw unknownLog(wanted, known)
  if (isOld(log.url, trust)) {
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot monitor the transparency log ${shown(log.url)}: it is of Rekor v1.`,
      {
        expected: 'a log of Rekor v2',
        hint: 'Its entries are not read by this command.',
      },
    )
  }
  if (more.length > 0 && wanted === undefined) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The trusted root names several transparency logs: choose one.', {
      expected: candidates.map(({ url }) => shown(url)).join(' or '),
      hint: 'Give its URL as "log" (--log), and monitor each of them with a checkpoint of its own.',
    })
  }
  return { log, others: current.filter(({ url }) => url !== log.url).map(({ url }) => url) }
}

/** True for a log whose API this monitor does not read. */
function isOld(url: string, { signingConfig }: SigstoreTrust): boolean {
  const services = signingConfig?.rekorTlogUrls ?? []
  return OLD_LOGS.has(url) || services.some((service) => plain(service.url) === url && service.majorApiVersion === 1)
}

function plain(url: string): string {
  return url.replace(/\/+$/, '')
}

function unknownLog(wanted: string | undefined, known: readonly { url: string; isCurrent: boolean }[]): ModelSealError {
  const named = known.map(({ url, isCurrent }) => shown(url) + (isCurrent ? '' : ' (its key is not valid now)'))
  return new ModelSealError(
    'LOG_UNTRUSTED',
    wanted === undefined
      ? 'The trusted root names no transparency log of Rekor v2 whose key is valid.'
      : `The trusted root names no transparency log ${shown(wanted)} whose key is valid.`,
    {
      expected: named.join(' or '),
      hint: 'Check the URL of the log, or fetch the current trusted root with "modelseal trust-root update".',
    },
  )
}
