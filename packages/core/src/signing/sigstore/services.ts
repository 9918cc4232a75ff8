import type { SigningConfig } from '@sigstore/protobuf-specs'
import { ModelSealError } from '../../errors.ts'

/** A service of a signing configuration. */
type Service = SigningConfig['caUrls'][number]

/** The services for signing. */
export interface SigningServices {
  /** URL of Fulcio. */
  authority: string
  logs: readonly { url: string; version: 1 | 2 }[]
  /** URLs of timestamp authorities (RFC 3161). */
  timestampAuthorities: readonly string[]
  /** URL of the OpenID Connect issuer for interactive logins; absent if the instance has none. */
  issuer?: string | undefined
}

/** The public instances. */
const INSTANCES = { 'public-good': 'sigstore.dev', staging: 'sigstage.dev' } as const

/** The services of a public instance. */
export function publicServices(instance: keyof typeof INSTANCES): SigningServices {
  const domain = INSTANCES[instance]
  return {
    authority: `https://fulcio.${domain}`,
    logs: [{ url: `https://rekor.${domain}`, version: 1 }],
    timestampAuthorities: [`https://timestamp.${domain}/api/v1/timestamp`],
    issuer: `https://oauth2.${domain}/auth`,
  }
}

// protobuf_specs, `ServiceSelector`: protocol numbers.
const ALL = 1
const EXACT = 3

/**
 * Selects services from a signing configuration (`sigstore_trustroot.proto`, SigningConfig v0.2).
 *
 * @throws {@link ModelSealError} `SIGNING_CONFIG_INVALID`
 */
export function chooseServices(config: SigningConfig, file: string, now: Date = new Date()): SigningServices {
  const [authority] = usable(config.caUrls, 1, now)
  const logs = selected(usable(config.rekorTlogUrls, 2, now), config.rekorTlogConfig)
  const stamps = selected(usable(config.tsaUrls, 1, now), config.tsaConfig)
  if (!authority) throw lacking('a certificate authority (caUrls) that is valid now', file)
  if (logs.length === 0) throw lacking('a transparency log (rekorTlogUrls) that is valid now', file)
  // Rekor v2 provides no time, so no one could tell whether the certificate was still valid.
  if (stamps.length === 0 && logs.every(({ majorApiVersion }) => majorApiVersion === 2))
    throw lacking('a timestamp authority (tsaUrls), which a log of version 2 requires', file)
  return {
    authority: authority.url,
    logs: logs.map(({ url, majorApiVersion }) => ({ url, version: majorApiVersion === 2 ? 2 : 1 })),
    timestampAuthorities: stamps.map(({ url }) => url),
    issuer: usable(config.oidcUrls, 1, now)[0]?.url,
  }
}

/** Newest version first, and among equal versions, newest service first. */
function usable(services: readonly Service[], newestVersion: number, now: Date): Service[] {
  return services
    .filter(({ majorApiVersion: version }) => version >= 1 && version <= newestVersion)
    .filter(({ validFor }) => (validFor?.start ?? now) <= now && (validFor?.end ?? now) >= now)
    .sort((a, b) => b.majorApiVersion - a.majorApiVersion || startOf(b) - startOf(a))
}

function startOf({ validFor }: Service): number {
  return validFor?.start?.getTime() ?? 0
}

function selected(services: readonly Service[], config: SigningConfig['tsaConfig']): Service[] {
  // Services of the same operator are interchangeable.
  const operators = new Map<string, Service>()
  for (const service of services) if (!operators.has(service.operator)) operators.set(service.operator, service)
  const distinct = [...operators.values()]
  const selector = Number(config?.selector)
  if (selector === ALL) return distinct
  return distinct.slice(0, selector === EXACT ? (config?.count ?? 1) : 1)
}

function lacking(what: string, file: string): ModelSealError {
  return new ModelSealError(
    'SIGNING_CONFIG_INVALID',
    'Cannot sign with this signing configuration: it is incomplete.',
    {
      file,
      expected: what,
      found: 'none',
      hint: 'Ask the operator of the Sigstore instance for a complete configuration.',
    },
  )
}
