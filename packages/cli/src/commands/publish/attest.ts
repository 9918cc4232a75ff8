import type { AttestedModel } from '@modelseal/core/attestation'
import type { Command } from 'commander'
import { MODEL, nonEmpty, pathOption, withJson, workersOption } from '../../options.ts'
import { amount, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { checkContent, contentOf, withContent, type AttestedContent, type ContentFlags } from './attest-content.ts'
import type { SigningMethod } from './signing-method.ts'
import { timestampOption, whoAndWhen, type Signing, type SigningFlags } from './signing.ts'

interface Flags extends ContentFlags {
  signature?: string
  output?: string
  check: boolean
  tsaUrl?: string
}

/** `modelseal attest METHOD MODEL --type TYPE`. */
export function addAttestMethod(
  parent: Command,
  perform: Perform,
  { name, how, note = '', isDefault = false, ...method }: SigningMethod<SigningFlags>,
): void {
  const command = withJson(parent.command(name, { isDefault }))
    .description(`Sign a statement about a signed model ${how}${note}.`)
    .argument('<model>', MODEL, nonEmpty)
  method
    .withOptions(withAttesting(withContent(command)))
    .addHelpText('after', ATTEST_HELP)
    .hook('preAction', (_, action) => checkContent(action))
    .action(
      perform<Flags & SigningFlags>(async (model, flags, session) => {
        const { checkAttestationOutput } = await import('@modelseal/core/attestation')
        // Before a verdict, which takes as long as the model is large.
        if (flags.output !== undefined) await checkAttestationOutput(flags.output)
        const content = await contentOf(model, flags, session)
        const { signer } = await method.signing(flags, session)
        const attested = await attest(model, flags, session, { ...content, signer })
        return attestingOutcome(model, flags, content, attested)
      }),
    )
}

function withAttesting(command: Command): Command {
  return command
    .addOption(pathOption('--signature <path>', 'bundle of the model (default: the one next to it)'))
    .addOption(
      pathOption(
        '--output <path>',
        'file to add the attestation to (default: "MODEL.claims.jsonl", or "claims.jsonl" in a directory signed with --claims-inside)',
      ),
    )
    .option('--no-check', 'take the root digest from the bundle, without hashing the files')
    .addOption(timestampOption())
    .addOption(workersOption())
}

export const ATTEST_HELP = `
The model must have a bundle, and its files are hashed and compared with it first. The statement is about their root
digest. It is added to the file from which loads read it, unless the same signer made it before; a policy says whose statements
it believes.

Types:
  evaluation            --from FILE: results in JSON
  model-card            README.md of the model, or --from FILE: a README.md or CycloneDX document
  data-card             the same for a dataset; or its croissant.json, or --from FILE: a Croissant document, whose SHA-256
                        digests of files must be those that were signed
  provenance            the CI environment; or --builder and --build-type; or --from FILE: SLSA provenance v1 in JSON
  verification-summary  --verifier-id URI: the verdict of the policy; or --from FILE
  a URI                 --from FILE: the predicate in JSON
"docs/how-to/attestations.md" describes them.

Examples:
  $ modelseal attest key models/vad --type evaluation --from results.json --private-key evaluation.key
  $ modelseal attest models/vad --type provenance --base-model hf://org/base=sha256:…
  $ modelseal attest key models/vad --type verification-summary --policy trust-policy.yaml \\
      --verifier-id https://models.example/verifier --private-key verifier.key`

async function attest(
  model: string,
  { type, signature, output, check, tsaUrl }: Flags,
  { signal, onProgress }: Session,
  { predicate, from, bytes, verified, signer }: AttestedContent & Pick<Signing, 'signer'>,
): Promise<AttestedModel> {
  const { attestModel } = await import('@modelseal/core/attestation')
  return attestModel(model, {
    signer,
    type,
    predicate,
    from: from !== undefined && bytes ? { bytes, file: from } : undefined,
    signature,
    output,
    modelIdentity: verified?.modelIdentity,
    // Files are not hashed twice.
    check: check && verified?.isWhole !== true,
    timestampAuthority: tsaUrl,
    signal,
    onProgress,
  })
}

async function attestingOutcome(
  model: string,
  { type }: Flags,
  { source, from, verified }: AttestedContent,
  attested: AttestedModel,
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { output, added, readByLoads, place, name, predicateType, signer, logEntries, time, ignored = [] } = attested
  const checked = attested.checked ?? (verified?.isWhole ? verified : undefined)
  const [digest, rootDigest] = [`sha256:${attested.digest}`, `sha256:${attested.rootDigest}`]
  return {
    lines: summary(added ? `Attested ${shown(model)}` : `Already attested ${shown(model)}: nothing was added`, [
      ['statement', type === predicateType ? shown(type) : `${type} (${predicateType})`],
      ['made from', source],
      ['about', `${shown(name)}, the name under which it was signed`],
      ['root digest', rootDigest],
      ['content', checked ? `${amount(checked)}, as signed` : NOT_CHECKED],
      ...(attested.compared === undefined ? [] : [['digests', statedDigests(attested.compared)] as const]),
      ...(ignored.length > 0 ? [['not attested', `${listed(ignored, shown)}: the bundle ignores them`] as const] : []),
      ...whoAndWhen(attested, shown),
      [added ? 'added to' : 'is in', shown(output)],
      ...(readByLoads ? [] : [['not read', notRead(place, shown)] as const]),
      ['digest', `${digest}, to revoke it with "revoked.claims"`],
    ]),
    json: {
      result: {
        output,
        added,
        readByLoads,
        place,
        type,
        predicateType,
        digest,
        rootDigest,
        name,
        from,
        checked: checked && { files: checked.files, bytes: checked.bytes },
        compared: attested.compared,
        ignored: attested.ignored,
        signer,
        logEntries,
        time,
      },
    },
  }
}

function statedDigests(compared: number): string {
  if (compared === 0) return 'none compared: the document states no SHA-256 of a file in this directory'
  return `${compared} in the document, as signed`
}

function notRead(place: string | undefined, shown: (text: string) => string): string {
  if (place === undefined)
    return 'no load looks there, but "modelseal push" publishes attestations with a model on this machine'
  return `no load looks there: it looks in ${shown(place)}`
}

/** A longer list would bury the rest. */
const MOST_LISTED = 10

function listed(names: readonly string[], shown: (text: string) => string): string {
  const more = names.length - MOST_LISTED
  const some = names.slice(0, MOST_LISTED).map((name) => shown(name))
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const NOT_CHECKED = 'not checked: no file was hashed, and the root digest is the one that the bundle states'
