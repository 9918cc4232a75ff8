import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import type { StartingSigner } from '@modelseal/core'
import { InvalidArgumentError, type Command } from 'commander'
import { nonEmpty, withJson } from '../options.ts'
import type { Outcome, Perform, Session } from '../perform.ts'

interface Flags {
  publicKey?: string
  certificate?: string
  san?: string
  github?: string
  workflow: string
  ref: string
  models: string
}

/** `modelseal policy init`: a commented starting policy, for one signer. */
export function addPolicyInit(policy: Command, perform: Perform): void {
  withJson(policy.command('init'))
    .description('Write a commented starting policy for one signer; asks where no flag says who that is.')
    .argument('[file]', 'where it goes', nonEmpty, 'modelseal.policy.yaml')
    .option('--public-key <path>', 'the signer has a key pair: PEM of the public key, relative to the policy', nonEmpty)
    .option('--certificate <path>', 'the signer has a certificate: PEM of the root, relative to the policy', nonEmpty)
    .option('--san <name>', 'with --certificate: the name in it, such as email:release@example.com', nonEmpty)
    .option('--github <owner/name>', 'the signer is a GitHub Actions workflow of this repository', repository)
    .option('--workflow <file>', 'with --github: the workflow that signs', 'release.yml')
    .option('--ref <ref>', 'with --github: the branch or tag that it runs on', 'refs/heads/main')
    .option('--models <glob>', 'the models, relative to the policy', nonEmpty, '**')
    .addHelpText('after', HELP)
    .action(perform(init))
}

const HELP = `
Examples:
  $ modelseal policy init --public-key release.pub
  $ modelseal policy init --certificate root.pem --san email:release@example.com
  $ modelseal policy init --github acme/models --workflow release.yml`

function repository(text: string): string {
  if (!/^[\w.-]+\/[\w.-]+$/.test(text)) throw new InvalidArgumentError('Expected owner/name.')
  return text
}

async function init(file: string, flags: Flags, session: Session): Promise<Outcome> {
  const { ModelSealError, shown, startingPolicy } = await import('@modelseal/core')
  const signer = signerOf(flags) ?? (await ask(session))
  if (!signer) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Nothing says whose signatures the policy is to accept.', {
      expected: 'one of --public-key, --github, or --certificate with --san',
      hint: 'See "modelseal policy init --help".',
    })
  }
  try {
    // Never over a policy that is there.
    await using target = await open(file, 'wx')
    await target.writeFile(startingPolicy(signer, flags.models))
  } catch (cause) {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      exists ? `There is a file at ${shown(file)} already.` : `The policy cannot be written to ${shown(file)}.`,
      { file, hint: 'Name another file.', cause },
    )
  }
  return {
    lines: [`Wrote ${shown(file)}`, `Check it with "modelseal policy check ${file}".`],
    json: { result: { policy: file } },
  }
}

function signerOf({ publicKey, certificate, san, github, workflow, ref }: Flags): StartingSigner | undefined {
  const given = [publicKey, certificate, github].filter((flag) => flag !== undefined)
  if (given.length !== 1) return undefined
  if (publicKey !== undefined) return { kind: 'key', publicKey }
  if (github !== undefined) return { kind: 'github', repository: github, workflow, ref }
  return certificate === undefined || san === undefined ? undefined : { kind: 'certificate', root: certificate, san }
}

/** Undefined where nobody is there to answer. */
async function ask({ signal }: Session): Promise<StartingSigner | undefined> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = async (question: string) => (await terminal.question(`${question} `, { signal })).trim()
  try {
    switch (await answer('Who signs: (k)ey pair, (c)ertificate, or (g)itHub Actions?')) {
      case 'k': {
        const publicKey = await answer('Public key (PEM), relative to the policy:')
        return publicKey === '' ? undefined : { kind: 'key', publicKey }
      }
      case 'c': {
        const [root, san] = [
          await answer('Root certificate (PEM), relative to the policy:'),
          await answer('Name in the certificate (email:…, URI:…, DNS:…):'),
        ]
        return root === '' || san === '' ? undefined : { kind: 'certificate', root, san }
      }
      case 'g': {
        const name = await answer('Repository (owner/name):')
        const workflow = (await answer('Workflow file [release.yml]:')) || 'release.yml'
        return name === ''
          ? undefined
          : { kind: 'github', repository: repository(name), workflow, ref: 'refs/heads/main' }
      }
      default:
        return undefined
    }
  } finally {
    terminal.close()
  }
}
