import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import type { ModelSealError } from '../../errors.ts'
import { writtenMethod, type AcceptedSigner } from '../methods/methods.ts'
import type { PolicySource } from '../reading/include.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import { compileSigners } from '../rule.ts'
import { DEFAULT_MAX_AGE, DEFAULT_REFRESH, MAX_FEEDS, millisecondsOf, type AdvisoryText } from './schema.ts'

/** An advisory feed that a policy follows. */
export interface FollowedFeed {
  kind: 'url' | 'file' | 'tuf'
  /** Its URL, or the absolute path of its file. */
  source: string
  /** If it is in a TUF repository. */
  tuf?: TufPlace | undefined
  signers: readonly AcceptedSigner[]
  threshold: number
  /** In milliseconds. */
  refresh: number
  maxAge: { written: string; milliseconds: number }
  ifStale: 'refuse' | 'warn'
  /** The same for feeds from the same place, by the same signers and trust roots as they are written. SHA-256 in hex. */
  id: string
}

/** A target of a TUF repository. */
export interface TufPlace {
  /** URL of the metadata, without a slash at its end. */
  url: string
  /** Absolute path of the root metadata with which trust begins. */
  root: string
  /** The name of the target. */
  target: string
  /** URL below which targets are, without a slash at its end. */
  targets: string
}

/** Compiles the feeds of all files of a policy. A fault in one is a problem at its position. */
export function compileFeeds(
  sources: readonly PolicySource[],
  roots: ReadonlyMap<string, CompiledRoot>,
  problems: ModelSealError[],
): FollowedFeed[] {
  const seen = new Set<string>()
  return sources.flatMap((source) =>
    (source.file.advisories ?? []).flatMap((written, index) => {
      const at = ['advisories', index]
      const place = placeOf(written, source)
      const feed: FollowedFeed = {
        ...place,
        signers: compileSigners(written.signers, { source, at }, roots, problems),
        threshold: written.threshold ?? 1,
        refresh: millisecondsOf(written.refresh, DEFAULT_REFRESH),
        maxAge: {
          written: written.maxAge ?? DEFAULT_MAX_AGE,
          milliseconds: millisecondsOf(written.maxAge, DEFAULT_MAX_AGE),
        },
        ifStale: written.ifStale ?? 'refuse',
        id: idOf(place, written, sources),
      }
      if (seen.has(feed.id)) problems.push(source.text.fault(at, 'This feed is in the list twice.'))
      seen.add(feed.id)
      if (seen.size === MAX_FEEDS + 1)
        problems.push(
          source.text.fault(at, `The policy follows more than ${MAX_FEEDS} feeds, those of its includes among them.`),
        )
      return [feed]
    }),
  )
}

type Place = Pick<FollowedFeed, 'kind' | 'source' | 'tuf'>

function placeOf({ url, file = '', tuf }: AdvisoryText, { directory }: PolicySource): Place {
  if (tuf) {
    const [base, given] = [tuf.url, tuf.targets ?? `${tuf.url.replace(/\/+$/, '')}/targets`].map((text) =>
      new URL(text).href.replace(/\/+$/, ''),
    ) as [string, string]
    const place = { url: base, root: resolve(directory, tuf.root), target: tuf.target, targets: given }
    return { kind: 'tuf', source: `${given}/${tuf.target}`, tuf: place }
  }
  if (url === undefined) return { kind: 'file', source: resolve(directory, file) }
  return { kind: 'url', source: new URL(url).href }
}

/** What is known of a feed is also verified again for each policy: a trust root may name a file that has changed. */
function idOf(
  { source, tuf }: Place,
  { signers, threshold = 1 }: AdvisoryText,
  sources: readonly PolicySource[],
): string {
  const names = new Set(signers.map((signer) => writtenMethod(signer).rootName(signer)))
  const roots = [...names].map((name) =>
    sources.flatMap(({ file, directory }) => {
      const root = file.trustRoots?.[name]
      return root ? [[directory, root]] : []
    }),
  )
  return createHash('sha256')
    .update(JSON.stringify([source, signers, threshold, roots, ...(tuf ? [tuf] : [])]))
    .digest('hex')
}
