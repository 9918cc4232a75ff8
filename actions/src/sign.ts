import { setOutput, warning } from '@actions/core'
import { ModelSealError } from '@modelseal/core/errors'
import { signModel, sigstoreSigner, type SignedModel, type TrustRootSource } from '@modelseal/core/signing'
import { updateTrustRoot } from '@modelseal/core/verification'
import { optionalInput, requiredInput, tufInstance } from './inputs.ts'
import { runAction, type Section } from './run-action.ts'
import { oneLine, writeLines } from './workflow-text.ts'

void runAction(sign)

/** Signs a model by the identity of the workflow, with a token that the runner issues for it. */
async function sign(): Promise<Section> {
  const model = requiredInput('model')
  const signer = await sigstoreSigner({ trustRoot: await instance(), clientId: optionalInput('audience') })
  const signed = await signModel(model, { signer, signature: optionalInput('signature'), overwrite: 'same-model' })
  setOutputs(signed)
  for (const { message } of signed.warnings ?? []) warning(oneLine(message), { title: 'modelseal' })
  writeLines(`Signed ${model} as ${signed.signer?.description ?? ''} in ${signed.signature}`)
  return { title: 'Model signed', facts: factsOf(signed, model), model }
}

/** The instance to sign with. A runner has no root of an earlier run, and the included one may be outdated. */
async function instance(): Promise<TrustRootSource> {
  const file = optionalInput('trust-config')
  const tuf = tufInstance()
  if (file !== undefined && tuf)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'The inputs "trust-config" and "tuf-url" name two Sigstore instances.',
      {
        hint: 'Leave one of them out.',
      },
    )
  if (file !== undefined) return { file }
  await updateTrustRoot(tuf ?? 'public-good')
  return tuf ?? 'public-good'
}

function setOutputs({ signature, rootDigest, files, signer }: SignedModel): void {
  setOutput('signature', signature)
  setOutput('root-digest', `sha256:${rootDigest}`)
  setOutput('files', files)
  setOutput('identity', signer && 'identity' in signer ? signer.identity : '')
  setOutput('issuer', signer && 'issuer' in signer ? signer.issuer : '')
}

function factsOf(
  { signature, rootDigest, files, signer, logEntries = [], time }: SignedModel,
  model: string,
): Section['facts'] {
  return [
    ['model', model],
    ['signature', signature],
    ['signed by', signer?.description],
    ...logEntries.map(({ log, index }) => ['log entry', `${index} of ${log}`] as const),
    ['signed at', time && `${time.at}, according to ${time.authority}`],
    ['files', String(files)],
    ['root digest', rootDigest],
  ]
}
