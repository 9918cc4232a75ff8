import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'

/** What every command that looks at a model's files accepts. */
export interface ModelFlags {
  ignorePaths?: string[]
  ignoreGitPaths: boolean
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
}

/** Adds `--json`, which every command has. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON object instead of text')
}

export function withUnsignedFiles(command: Command): Command {
  return command
    .option('--ignore-unsigned-files', 'accept files that nobody signed')
    .option('--no-ignore-unsigned-files', 'refuse a model with such files (default)')
}

/** An option whose value is a path. */
export function pathOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(nonEmpty)
}

/** A path that an unset shell variable left empty would silently mean the working directory. */
export function nonEmpty(path: string): string {
  if (path === '') throw new InvalidArgumentError('It is empty.')
  return path
}
