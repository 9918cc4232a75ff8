import { resolve } from 'node:path'
import type { DigestOptions } from '@modelseal/core/signing'
import type { Session } from './perform.ts'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { isRemote } from './hubs.ts'

/** Options of every command that reads a model's files. */
interface ModelFlags {
  ignorePaths?: string[]
  ignoreGitPaths: boolean
  maxBytes?: number
}

/** Options that say how to hash a model for signing. For verifying, the signature says that. */
export interface HashingFlags extends ModelFlags {
  allowSymlinks?: boolean
  hashType: 'sha256' | 'blake2b' | 'blake3'
  shardSize?: number
  format?: 'dataset'
  wholeFiles?: boolean
}

/** The options of core for {@link HashingFlags}. Core refuses any others. */
export function hashingOptions(
  model: string,
  { ignorePaths, ignoreGitPaths, maxBytes = DEFAULT_MAX_BYTES, ...how }: HashingFlags,
  { signal, onProgress }: Session,
): DigestOptions {
  const { allowSymlinks, hashType, shardSize, format, wholeFiles } = how
  const names = { ignorePaths: pathsFor(model, ignorePaths), ignoreGitPaths, allowSymlinks }
  return { ...names, hashType, shardSize, format, wholeFiles, maxBytes, signal, onProgress }
}

/**
 * Paths that the command line names: relative to the working directory, or to the model if that is not on this machine.
 */
export function pathsFor(model: string, paths: readonly string[] | undefined): string[] | undefined {
  return isRemote(model) ? paths && [...paths] : paths?.map((path) => resolve(path))
}

/** Ends with an error of the server or a full disk, and not with the size of a model that exists. */
export const DEFAULT_MAX_BYTES = 1_000_000_000_000

/** The limit on a model that is not on this machine, as options of a load. */
export function sizeLimit(
  model: string,
  maxBytes = DEFAULT_MAX_BYTES,
): { maxBytes?: number; http?: { maxBytes: number } } {
  return isRemote(model) ? { maxBytes, http: { maxBytes } } : {}
}

/** `--max-bytes`, for every command that can read a model that is not on this machine. */
function maxBytesOption(): Option {
  return new Option(
    '--max-bytes <bytes>',
    'maximum total size of a model that is not on this machine (default: 1 TB)',
  ).argParser(positiveInteger)
}

/** Adds the model and the options of {@link ModelFlags}. */
export function withModel(command: Command): Command {
  return command
    .argument('<model>', MODEL, nonEmpty)
    .option(
      '--ignore-paths <path>',
      'exclude this file or directory, relative to the working directory, or to the model if it is a URL; may be repeated',
      (path: string, paths: string[] | undefined) => [...(paths ?? []), nonEmpty(path)],
    )
    .option('--no-ignore-git-paths', 'include .git, .gitignore, .gitattributes and .github')
    .option('--ignore-git-paths', 'exclude them (default)')
    .addOption(maxBytesOption())
    .addOption(workersOption())
}

/** What a command takes as a model. */
export const MODEL = 'directory or file of the model, or its URL (https://, hf://, oci://, s3://)'

/** `--max-workers`, for every command that hashes. */
export function workersOption(): Option {
  return new Option('--max-workers <count>', 'maximum number of hashing threads (default: number of CPUs)').argParser(
    positiveInteger,
  )
}

/** Adds the options of {@link HashingFlags}. */
export function withHashing(command: Command): Command {
  return command
    .option('--allow-symlinks', 'follow symbolic links that stay within the model (default: refuse links)')
    .addOption(
      new Option('--hash-type <type>', 'hash algorithm for the files')
        .choices(['sha256', 'blake2b', 'blake3'])
        .default('sha256'),
    )
    .option('--shard-size <bytes>', 'hash files in shards of this size, usually 1000000000', positiveInteger)
    .addOption(
      new Option(
        '--format <format>',
        'dataset: if a file is larger than 64 MiB, hash all files in shards of 16 MiB, so that parts of them can be verified',
      ).choices(['dataset']),
    )
    .addOption(
      new Option(
        '--whole-files',
        'hash whole files, also of a dataset: the command line of the reference tool verifies nothing else',
      ).conflicts('shardSize'),
    )
}

/** Adds the options of every command that verifies without a policy. */
export function withVerifying(command: Command): Command {
  return command
    .option('--allow-symlinks', 'no effect, for compatibility: the signature says whether links are followed')
    .option('--ignore-unsigned-files', 'accept files that nobody signed')
    .option('--no-ignore-unsigned-files', 'refuse a model with such files (default)')
    .option(
      '--only <path>',
      'check only this signed file or directory, relative as with --ignore-paths; may be repeated',
      (path: string, paths: string[] | undefined) => [...(paths ?? []), nonEmpty(path)],
    )
    .addOption(maxBundleBytesOption())
}

/** Options of every command that judges by a policy. */
export interface PolicyFlags {
  policy?: string
  signature?: string
}

/** Adds the options of {@link PolicyFlags}. */
export function withPolicy(command: Command): Command {
  return command
    .addOption(pathOption('--policy <path>', 'trust policy (default: the one that a load would find)'))
    .addOption(pathOption('--signature <path>', 'bundle (default: the ones next to the model)'))
}

/** The option of {@link formatOption}. */
export interface FormatFlag {
  format?: string
}

/** `--format`, for commands that judge a model as the load by a program that states its format. */
export function formatOption(): Option {
  return new Option(
    '--format <format>',
    'what a program would load, for rules that match by format: onnx, tfjs-graph, tfjs-layers, saved-model, dataset, or the format of another adapter',
  ).argParser(nonEmpty)
}

/** Options of every command that reads whole models for a policy. */
export interface JudgingFlags extends PolicyFlags {
  maxBundleBytes?: number
  maxBytes?: number
}

/** Adds the options of {@link JudgingFlags}. */
export function withJudging(command: Command): Command {
  return withPolicy(command).addOption(maxBundleBytesOption()).addOption(maxBytesOption()).addOption(workersOption())
}

/** `--max-bundle-bytes`, for every command that verifies. */
export function maxBundleBytesOption(): Option {
  return new Option(
    '--max-bundle-bytes <bytes>',
    'maximum size of a bundle (default: 32 MiB; 100,000 files take 17 MiB)',
  ).argParser(positiveInteger)
}

/** The options that {@link withVerifying} adds. */
export interface VerifyingFlags extends ModelFlags {
  ignoreUnsignedFiles?: boolean
  maxBundleBytes?: number
  only?: string[]
}

function positiveInteger(text: string): number {
  const value = Number(text)
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a positive integer.')
  return value
}

/** Adds `--json`, which every command has. */
export function withJson(command: Command, what = 'print one JSON object instead of text'): Command {
  return command.option('--json', what)
}

/** An option whose value is a path. */
export function pathOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(nonEmpty)
}

/** A repeatable option whose value is a path. */
export function pathsOption(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((path: string, paths: string[]) => [...paths, nonEmpty(path)])
    .default([], 'none')
}

/** `--certificate-chain`, for signing and for verifying. */
export function chainOption(description: string): Option {
  return pathsOption('--certificate-chain <path>', description)
}

/** Refuses an empty path, such as from an unset shell variable: it would silently mean the working directory. */
export function nonEmpty(path: string): string {
  if (path === '') throw new InvalidArgumentError('The value is empty.')
  return path
}

/** Refuses a value that is no URI, such as a bare name: others would not know what it means. */
export function isUri(text: string): string {
  if (/^[a-z][a-z0-9+.-]*:\S+$/i.test(text)) return text
  throw new InvalidArgumentError('Expected a URI with its scheme, such as https://ci.example.')
}
