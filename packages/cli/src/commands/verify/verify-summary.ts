import type { AttestedModel } from '@modelseal/core/attestation'
import type { Command } from 'commander'
import { MODEL, nonEmpty, withJson, withJudging, type JudgingFlags } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { isAccepted, judgedBy, summarized, withSummary, type SummaryFlags } from '../publish/attest-verdict.ts'
import type { SigningMethod } from '../publish/signing-method.ts'
import { timestampOption, whoAndWhen, type SigningFlags } from '../publish/signing.ts'
import { acceptedFacts, notVerified } from './verify-policy.ts'

interface Flags extends SummaryFlags, JudgingFlags {
  out: string
  tsaUrl?: string
}

/** `modelseal verify MODEL OUT --vsa METHOD`, which `withSummaryMethod` turns into `verify vsa-METHOD MODEL OUT`. */
export function addVerifySummary(
  parent: Command,
  perform: Perform,
  { name, how, ...method }: SigningMethod<SigningFlags>,
): void {
  const work = async (model: string, flags: Flags & SigningFlags, session: Session): Promise<Outcome> => {
    const { attestModel, checkAttestationOutput } = await import('@modelseal/core/attestation')
    await checkAttestationOutput(flags.out)
    const judged = await judgedBy(model, flags, session)
    if (!isAccepted(judged)) return notVerified(judged.verdict)
    const { predicate, verified } = await summarized(model, flags, judged)
    const { signer } = await method.signing(flags, session)
    const attested = await attestModel(model, {
      signer,
      type: 'verification-summary',
      predicate,
      signature: flags.signature,
      output: flags.out,
      modelIdentity: verified.modelIdentity,
      check: !verified.isWhole,
      timestampAuthority: flags.tsaUrl,
      signal: session.signal,
      onProgress: session.onProgress,
    })
    return summaryOutcome(model, judged.verdict, attested)
  }
  method
    .withOptions(withSummary(withJudging(withJson(parent.command(`vsa-${name}`, { hidden: true })))))
    .description(`Verify a model against a trust policy, and sign a summary of the verdict ${how}.`)
    .argument('<model>', MODEL, nonEmpty)
    .argument('<out>', 'new file for the summary, or a .jsonl file of attestations to which it is added', nonEmpty)
    .addOption(timestampOption())
    .addHelpText('after', HELP)
    .hook('preAction', (_, action) => checkVerifier(action))
    .action((model: string, out: string, flags: SigningFlags, action: Command) =>
      perform<Flags & SigningFlags>(work)(model, { ...flags, out } as Flags & SigningFlags, action),
    )
}

const HELP = `
The model is judged as a load does. Unless the policy accepts it, nothing is signed or written, and the exit code is 1.
The summary is an SLSA Verification Summary, which another policy can require. The options for signing are those of "sign".

Example:
  $ modelseal verify models/vad --policy modelseal.policy.yaml --verifier-id https://models.example/verifier \\
      --vsa key --private-key verifier.key vad.vsa.json`

function checkVerifier(command: Command): void {
  if (command.opts<SummaryFlags>().verifierId === undefined)
    command.error("error: '--vsa' needs '--verifier-id URI', which names the verifier")
}

async function summaryOutcome(
  model: string,
  verdict: Parameters<typeof acceptedFacts>[0],
  attested: AttestedModel,
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { output, added, predicateType, signer, logEntries, time } = attested
  const digest = `sha256:${attested.digest}`
  const who = whoAndWhen(attested, shown)
  return {
    lines: [
      ...summary(`Accepted ${shown(model)}`, acceptedFacts(verdict, shown)),
      ...summary('Signed a summary of the verdict', [...who, ['written to', shown(output)], ['digest', digest]]),
    ],
    json: {
      verdict,
      result: { output, added, predicateType, digest, signer, logEntries, time },
    },
  }
}
