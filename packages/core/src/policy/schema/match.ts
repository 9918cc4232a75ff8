import * as s from '../../schema/define.ts'
import { compileGlob, globFault } from '../matching/glob.ts'
import { anyFormatSchema, formatSchema, globSchema, pathGlobSchema, sourceGlobSchema, urlGlobSchema } from './text.ts'

/** `match`: the models that a rule applies to. */

const globsSchema = s.union([globSchema, s.array(globSchema).min(1)])
const urlGlobsSchema = s.union([urlGlobSchema, s.array(urlGlobSchema).min(1)])
const sourceGlobsSchema = s.union([sourceGlobSchema, s.array(sourceGlobSchema).min(1)])
const pathGlobsSchema = s.union([pathGlobSchema, s.array(pathGlobSchema).min(1)])

const DIGEST = /^sha256:[0-9a-f]{64}$/

/** @param words that it may be instead */
function digestOr(...words: readonly string[]) {
  return s
    .string()
    .withCheck((text, report) => {
      if (DIGEST.test(text)) return
      report({ message: 'expected sha256: and 64 lowercase hex digits, the digest of the bytes', values: words })
    })
    .inJson({ pattern: DIGEST.source })
}

export const matchSchema = s
  .strictObject({
    path: pathGlobsSchema
      .optional()
      .describe('Globs for the path that the program loads, relative to the policy file.'),
    url: urlGlobsSchema.optional().describe('Globs for the URL that the program loads.'),
    source: sourceGlobsSchema
      .optional()
      .describe(
        'Globs for the hub, registry or bucket that the program loads from: hf://ORG/NAME, hf://datasets/ORG/NAME, oci://HOST/REPOSITORY, without revision, tag and folder, or s3://BUCKET/PREFIX.',
      ),
    name: globsSchema.optional().describe('Globs for the name that the signer gave to the model.'),
    format: s
      .union([anyFormatSchema, s.array(formatSchema).min(1)])
      .optional()
      .describe('The format that the loader reads: one format of an adapter, several, or any.'),
    memory: s
      .union([s.literal('any'), digestOr('any'), s.array(digestOr()).min(1)])
      .optional()
      .describe('Models that a program gives to a runtime as bytes, without path or URL: by digest, or any.'),
  })
  .refine((match) => Object.keys(match).length > 0, 'expected one of path, url, source, name, format, memory')
  .inJson({ minProperties: 1 })

/** A `match` as written in the policy. */
export type MatchText = s.Infer<typeof matchSchema>

/**
 * True if every path names a directory or file, and every URL and source a host and, on hubs and registries, an organisation.
 * `memory` is always explicit.
 */
export function isExplicit({ path, url, source, memory }: MatchText): boolean {
  if (memory !== undefined) return true
  const [paths, urls] = [[path ?? []].flat(), [url ?? [], source ?? []].flat(2)]
  return (
    paths.length + urls.length > 0 &&
    paths.every((glob) =>
      spelledOut(glob).every((components) => components.some((part) => part !== undefined && !/^\.{0,2}$/.test(part))),
    ) &&
    urls.every((glob) =>
      spelledOut(glob).every(
        ([scheme, empty, host, next]) =>
          scheme?.endsWith(':') && empty === '' && host && (!isShared(scheme, host) || next),
      ),
    )
  )
}

/** A registry has the repositories of many organisations, which follow its host, and so have the datasets of a hub. */
function isShared(scheme: string, host: string): boolean {
  return scheme === 'oci:' || (scheme === 'hf:' && host === 'datasets')
}

/** Empty for an invalid glob, which is reported elsewhere. */
function spelledOut(glob: string): readonly (readonly (string | undefined)[])[] {
  return globFault(glob) === undefined ? compileGlob(glob).spelled : []
}
