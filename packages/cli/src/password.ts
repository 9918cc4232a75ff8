import type { KeySignerOptions, Signer } from '@modelseal/core/signing'
import { Option } from 'commander'
import { pathOption } from './options.ts'

/** Environment variable for the password of an encrypted key. */
const PASSWORD_VARIABLE = 'MODELSEAL_PASSWORD'

/** `--private-key`, which must be given. */
export function privateKeyOption(): Option {
  return pathOption(
    '--private-key <path>',
    'PEM file of the private key, on P-256, P-384 or P-521',
  ).makeOptionMandatory()
}

/** `--password`, of a private key. */
export function passwordOption(): Option {
  return new Option(
    '--password <password>',
    'password of the encrypted key; visible to other users of this machine',
  ).env(PASSWORD_VARIABLE)
}

/**
 * Creates the signer for a key file. If the key is encrypted and no password was given, asks for it on a terminal.
 */
export async function keySignerWithPassword<Options extends KeySignerOptions>(
  makeSigner: (options: Options) => Promise<Signer>,
  options: Options,
  signal: AbortSignal,
): Promise<Signer> {
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const { privateKey, password } = options
  // An empty variable counts as unset.
  if (password) return makeSigner(options)
  try {
    return await makeSigner({ ...options, password: undefined })
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code !== 'KEY_ENCRYPTED') throw error
    const typed =
      process.stdin.isTTY && process.stderr.isTTY ? await typedPassword(shown(privateKey), signal) : undefined
    if (signal.aborted) throw new ModelSealError('ABORTED', 'The password was not entered.')
    if (typed) return makeSigner({ ...options, password: typed })
    throw new ModelSealError(
      'KEY_ENCRYPTED',
      `The private key ${shown(privateKey)} is encrypted, but no password was given.`,
      {
        file: privateKey,
        hint: `Set ${PASSWORD_VARIABLE}, give --password (which other users of this machine can see), or run the command on a terminal to be asked.`,
        cause: error,
      },
    )
  }
}

function typedPassword(key: string, signal: AbortSignal): Promise<string | undefined> {
  return askUnseen(`Password of the private key ${key}: `, { input: process.stdin, output: process.stderr, signal })
}

/** Where a question is asked and answered. */
export interface Dialogue {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream
  signal: AbortSignal
}

/** Asks for a line without showing it; undefined if the input ends instead. */
export async function askUnseen(question: string, { input, output, signal }: Dialogue): Promise<string | undefined> {
  const { createInterface } = process.getBuiltinModule('node:readline')
  const { Writable } = process.getBuiltinModule('node:stream')
  const muted = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input, output: muted, terminal: true, historySize: 0 })
  output.write(question)
  try {
    return await new Promise((resolve) => {
      reader.once('line', resolve)
      reader.once('close', () => resolve(undefined))
      // The terminal is in raw mode, where Ctrl-C is a key and sends no signal.
      reader.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
      signal.addEventListener('abort', () => resolve(undefined), { once: true })
    })
  } finally {
    reader.close()
    output.write('\n')
  }
}
