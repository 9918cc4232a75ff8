import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { ErrorCode } from '@modelseal/core'
import type { StartingSigner } from '@modelseal/core/policy'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { codeOf } from '@modelseal/core/any-realm'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import type { Dialogue } from '../../password.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags {
  publicKey?: string
  certificate?: string
  san?: string
  github?: string
  workflow?: string
  ref?: string
  models: string
  require?: string[]
}

/** `modelseal policy init`: a commented starting policy, for one signer. */
export function addPolicyInit(policy: Command, perform: Perform): void {
  withJson(policy.command('init'))
    .description('Write a commented starting policy for one signer; asks who signs if no option says so.')
    .argument('[file]', 'path of the new policy', nonEmpty, 'modelseal.policy.yaml')
    .addOption(
      pathOption(
        '--public-key <path>',
        "for a key pair: PEM file of the signer's public key, relative to the policy",
      ).conflicts(['certificate', 'san', 'github', 'workflow', 'ref']),
    )
    .addOption(
      pathOption('--certificate <path>', 'for a certificate: PEM file of its root, relative to the policy').conflicts([
        'github',
        'workflow',
        'ref',
      ]),
    )
    .addOption(
      new Option(
        '--san <name>',
        "with --certificate: the name in the signer's certificate, such as email:release@example.com",
      )
        .argParser(typedName)
        .conflicts('github'),
    )
    .option('--github <owner/name>', 'for a GitHub Actions workflow: its repository', repository)
    .option('--workflow <file>', 'with --github: the workflow that signs (default: "release.yml")', workflowFile)
    .option('--ref <ref>', 'with --github: the branch or tag that it runs on (default: "refs/heads/main")', fullRef)
    .option(
      '--models <glob>',
      'the models: paths relative to the policy, or hf://, oci://, s3:// or https:// locations',
      nonEmpty,
      '**',
    )
    .addOption(
      new Option('--require <kind>', 'attestation that models must have; may be repeated')
        .choices(['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary'])
        // The core checks the kinds.
        .argParser((kind: string, kinds: string[] | undefined) => [...(kinds ?? []), kind]),
    )
    .addHelpText('after', HELP)
    .action(perform(init))
}

const HELP = `
Examples:
  $ modelseal policy init --public-key release.pub
  $ modelseal policy init --public-key release.pub --require evaluation --require provenance
  $ modelseal policy init --certificate root.pem --san email:release@example.com
  $ modelseal policy init --github acme/models --workflow release.yml`

function repository(text: string): string {
  if (!/^[\w.-]+\/[\w.-]+$/.test(text)) throw new InvalidArgumentError('Expected owner/name.')
  return text
}

/** A name with its type, as in the policy: without the type, it could be of any kind. */
function typedName(text: string): string {
  if (/^[A-Za-z]+:./.test(text) && !/^[a-z]+:\/\//.test(text)) return text
  const type = /^[a-z]+:\/\//.test(text) ? 'URI' : text.includes('@') ? 'email' : 'DNS'
  throw new InvalidArgumentError(`Expected a name with its type. Did you mean ${type}:${text}?`)
}

function workflowFile(text: string): string {
  const name = text.replace(/^(\.\/)?\.github\/workflows\//, '')
  if (!/^[^/\s]+\.ya?ml$/.test(name))
    throw new InvalidArgumentError('Expected the name of a file in .github/workflows, such as release.yml.')
  return name
}

function fullRef(text: string): string {
  if (!/^refs\/(heads|tags|pull)\/\S+$/.test(text))
    throw new InvalidArgumentError(`Expected a full ref. Did you mean refs/heads/${text} or refs/tags/${text}?`)
  return text
}

async function init(file: string, flags: Flags, session: Session): Promise<Outcome> {
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const { startingPolicy } = await import('@modelseal/core/policy')
  const signer = isAboutSigner(flags) ? signerOf(flags) : await askAtTerminal(session)
  if (!signer) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot write a policy: no signer was given.', {
      expected: 'one of --public-key, --github, or --certificate with --san',
      hint: 'See "modelseal policy init --help".',
    })
  }
  const text = startingPolicy(signer, flags.models, flags.require ?? [], schemaFor(file))
  try {
    // Never replaces an existing policy, and never creates one that others can write to: every load would refuse it.
    await writeFile(file, text, { flag: 'wx', mode: 0o644 })
  } catch (cause) {
    const code = codeOf(cause)
    throw new ModelSealError(
      code === 'EEXIST' ? 'INVALID_ARGUMENT' : 'FILE_WRITE_FAILED',
      code === 'EEXIST'
        ? `${shown(file)} already exists.`
        : `Cannot write the policy to ${shown(file)} (${code ?? 'unknown'}).`,
      {
        file,
        hint:
          code === 'EEXIST'
            ? 'To replace it, remove it first. To keep it, name another file: modelseal policy init FILE.'
            : 'Check that the directory exists, and that this user may write to it.',
        cause,
      },
    )
  }
  const dangers = await dangersOf(file)
  return {
    lines: [`Wrote ${shown(file)}`, ...dangers, `Check it with "modelseal policy check ${file}".`],
    json: { result: { policy: file } },
  }
}

/**
 * The warnings of `policy check` about the new policy, as lines. If loads would refuse the policy, its file is removed.
 */
async function dangersOf(file: string): Promise<string[]> {
  const { ModelSealError } = await import('@modelseal/core/errors')
  const { checkPolicy } = await import('@modelseal/core/policy')
  // The policy may be meant for another location or user, so this is only a note.
  const elsewhere = (message: string) => [`Note: ${message}`]
  try {
    const findings = await checkPolicy(file)
    const error = findings.find(({ severity }) => severity === 'error')
    if (error?.code === 'POLICY_UNTRUSTED') return elsewhere(error.message)
    if (!error)
      return findings.flatMap(({ severity, message }) => (severity === 'warning' ? [`Warning: ${message}`] : []))
    await rm(file, { force: true })
    // An invalid value comes from an option. A problem with a file has its own code.
    throw error.code === 'POLICY_INVALID'
      ? new ModelSealError(
          'INVALID_ARGUMENT',
          `Cannot write this policy, because it would be refused: ${error.message}`,
        )
      : new ModelSealError(error.code as ErrorCode, error.message)
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'POLICY_UNTRUSTED') return elsewhere(error.message)
    throw error
  }
}

/** The schema in the nearest node_modules above the policy that has it. By default, where it will be once the package is installed. */
function schemaFor(file: string): string | undefined {
  const start = dirname(resolve(file))
  for (let directory = start; ; directory = dirname(directory)) {
    const schema = join(directory, 'node_modules/@modelseal/core/policy.schema.json')
    const path = relative(start, schema).replaceAll('\\', '/')
    if (existsSync(schema) && /^[\x21-\x7e]+$/.test(path)) return path
    if (dirname(directory) === directory) return undefined
  }
}

function isAboutSigner({ publicKey, certificate, san, github, workflow, ref }: Flags): boolean {
  return [publicKey, certificate, san, github, workflow, ref].some((flag) => flag !== undefined)
}

function signerOf({ publicKey, certificate, san, github, workflow, ref }: Flags): StartingSigner | undefined {
  if (publicKey !== undefined) return { kind: 'key', publicKey }
  if (github !== undefined) return workflowOf(github, workflow, ref)
  return certificate === undefined || san === undefined ? undefined : { kind: 'certificate', root: certificate, san }
}

function workflowOf(name: string, workflow = 'release.yml', ref = 'refs/heads/main'): StartingSigner {
  return { kind: 'github', repository: name, workflow, ref }
}

/** Undefined if there is no terminal. */
function askAtTerminal({ signal }: Session): Promise<StartingSigner | undefined> | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  return ask({ input: process.stdin, output: process.stderr, signal })
}

/**
 * Asks who signs.
 *
 * @returns undefined if an answer is missing or not understood
 */
export async function ask({ input, output, signal }: Dialogue): Promise<StartingSigner | undefined> {
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input, output })
  // The terminal is in raw mode, where Ctrl-C is a key and sends no signal.
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const ended = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)))
  const answer = async (question: string) => {
    // It fails when the input ends, and when the command is interrupted.
    const typed = terminal.question(`${question} `, { signal }).catch(() => undefined)
    return (await Promise.race([typed, ended]))?.trim()
  }
  try {
    switch (await answer('Who signs: (k)ey pair, (c)ertificate, or (g)itHub Actions?')) {
      case 'k': {
        const publicKey = await answer('Public key (PEM), relative to the policy:')
        return publicKey ? { kind: 'key', publicKey } : undefined
      }
      case 'c': {
        const root = await answer('Root certificate (PEM), relative to the policy:')
        const san = root && (await answer('Name in the certificate (email:…, URI:…, DNS:…):'))
        return root && san ? { kind: 'certificate', root, san: typedName(san) } : undefined
      }
      case 'g': {
        const name = await answer('Repository (owner/name):')
        const workflow = name && (await answer('Workflow file [release.yml]:'))
        return name && workflow !== undefined
          ? workflowOf(repository(name), workflow === '' ? undefined : workflowFile(workflow))
          : undefined
      }
      default:
        return undefined
    }
  } finally {
    terminal.close()
  }
}
