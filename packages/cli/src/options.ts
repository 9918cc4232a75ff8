import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'

/** What every command that looks at a model's files accepts. */
export interface ModelFlags {
  ignorePaths?: string[]
  ignoreGitPaths: boolean
}

/** How a model is hashed on signing; on verifying, the signature says. */
export interface HashingFlags extends ModelFlags {
  allowSymlinks?: boolean
  hashType: 'sha256' | 'blake2b' | 'blake3'
  shardSize?: number
}

/** Adds the model and the options of {@link ModelFlags}. */
export function withModel(command: Command): Command {
  return command
    .argument('<model>', 'directory or file of the model', nonEmpty)
    .option(
      '--ignore-paths <path>',
      'leave out this file or directory, relative to the working directory; may be repeated',
      (path: string, paths: string[] | undefined) => [...(paths ?? []), resolve(nonEmpty(path))],
    )
    .option('--no-ignore-git-paths', 'take .git, .gitignore, .gitattributes and .github in')
    .option('--ignore-git-paths', 'leave them out (default)')
    .addOption(workersOption())
}

/** `--max-workers`, which every command has that hashes. */
export function workersOption(): Option {
  return new Option('--max-workers <count>', 'threads that hash at the most; without it, one a processor').argParser(
    positiveInteger,
  )
}

/** Adds the options of {@link HashingFlags}. */
export function withHashing(command: Command): Command {
  return command
    .option('--allow-symlinks', 'follow symbolic links that stay within the model; without it a link is refused')
    .addOption(
      new Option('--hash-type <type>', 'hash of the files').choices(['sha256', 'blake2b', 'blake3']).default('sha256'),
    )
    .option('--shard-size <bytes>', 'hash files in shards of this size; 1000000000 is usual', positiveInteger)
}

/** Adds what every command that verifies without a policy accepts. */
export function withVerifying(command: Command): Command {
  return command
    .option('--allow-symlinks', 'accepted for compatibility: the signature says whether links are followed')
    .option('--ignore-unsigned-files', 'accept files that nobody signed')
    .option('--no-ignore-unsigned-files', 'refuse a model with such files (default)')
    .option(
      '--only <path>',
      'check only this signed file or directory, relative to the working directory; may be repeated',
      (path: string, paths: string[] | undefined) => [...(paths ?? []), resolve(nonEmpty(path))],
    )
    .addOption(maxBundleBytesOption())
}

/** `--max-bundle-bytes`, which every command has that verifies. */
export function maxBundleBytesOption(): Option {
  return new Option(
    '--max-bundle-bytes <bytes>',
    'largest size of a bundle (default: 32 MiB; 100,000 files take 17 MiB)',
  ).argParser(positiveInteger)
}

/** What {@link withVerifying} adds. */
export interface VerifyingFlags extends ModelFlags {
  ignoreUnsignedFiles?: boolean
  maxBundleBytes?: number
  only?: string[]
}

function positiveInteger(text: string): number {
  const value = Number(text)
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It is not a positive whole number.')
  return value
}

/** Adds `--json`, which every command has. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON object instead of text')
}

/** An option whose value is a path. */
export function pathOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(nonEmpty)
}

/** An option whose value is a path, and that may be repeated. */
export function pathsOption(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((path: string, paths: string[]) => [...paths, nonEmpty(path)])
    .default([], 'none')
}

/** `--certificate-chain`, as it is called on signing and on verifying. */
export function chainOption(description: string): Option {
  return pathsOption('--certificate-chain <path>', description)
}

/** A path that an unset shell variable left empty would silently mean the working directory. */
export function nonEmpty(path: string): string {
  if (path === '') throw new InvalidArgumentError('It is empty.')
  return path
}
