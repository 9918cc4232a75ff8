import type { EventEmitter } from 'node:events'
import { createProgram } from '../../packages/cli/src/program.ts'
import { block, code, page, plain, table } from './markdown.ts'
import type { Pages } from './pages.ts'

const DIRECTORY = 'docs/reference/cli'

// commander is a dependency of that package alone.
type Command = ReturnType<typeof createProgram>
type Help = ReturnType<Command['createHelp']>
type Option = Command['options'][number]
type Argument = Command['registeredArguments'][number]

/** The program as it is installed, with commands that do nothing. */
export function documentedProgram(): Command {
  return createProgram('', () => async () => {})
}

/** One page for each command of the program, with its subcommands, and one that lists them. */
export function commandPages(program = documentedProgram()): Pages {
  const pages = visibleCommands(program).map(
    (command) => [`${DIRECTORY}/${command.name()}.md`, commandPage(command)] as const,
  )
  return new Map([[`${DIRECTORY}/index.md`, indexPage(program)], ...pages])
}

/** The commands below one, without those that only the program itself uses. */
export function visibleCommands(command: Command): Command[] {
  const visible: Command[] = helpOf(command).visibleCommands(command)
  return visible.filter((child) => child.name() !== 'help')
}

function indexPage(program: Command): string {
  const rows = visibleCommands(program).map((command) => [
    `[${code(command.name())}](${command.name()}.md)`,
    plain(command.description()),
  ])
  return page(
    'Command line',
    plain(program.description()),
    table(['command', 'what it does'], rows),
    '## Options of the program',
    'They come before the command.',
    optionTable(program),
    '## Examples and exit codes',
    block('', textAfter(program)),
  )
}

function commandPage(command: Command): string {
  return page(`modelseal ${command.name()}`, section(command), ...below(command, 2))
}

/** The subcommands at every depth, each with a heading. */
function below(command: Command, level: number): string[] {
  return visibleCommands(command).flatMap((child) => [
    `${'#'.repeat(level)} ${pathOf(child)}`,
    section(child),
    ...below(child, Math.min(level + 1, 4)),
  ])
}

function section(command: Command): string {
  const help = helpOf(command)
  const after = textAfter(command)
  const children = visibleCommands(command)
  return [
    plain(command.description()),
    block('sh', help.commandUsage(command)),
    argumentTable(help, command.registeredArguments),
    optionTable(command),
    children.length > 0
      ? table(
          ['subcommand', 'what it does'],
          children.map((child) => [`[${code(pathOf(child))}](#${anchorOf(child)})`, plain(child.description())]),
        )
      : '',
    after === '' ? '' : block('', after),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function argumentTable(help: Help, given: readonly Argument[]): string {
  if (given.length === 0) return ''
  const rows = given.map((argument) => [
    code(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
    plain(help.argumentDescription(argument)),
  ])
  return table(['argument', 'description'], rows)
}

function optionTable(command: Command): string {
  const options = documentedOptions(command)
  if (options.length === 0) return ''
  const help = helpOf(command)
  const rows = options.map((option) => [
    code(help.optionTerm(option)),
    `${plain(help.optionDescription(option))}${option.mandatory ? ' **(required)**' : ''}`,
  ])
  return table(['option', 'description'], rows)
}

/** Options that the help shows, without `--help` itself. */
export function documentedOptions(command: Command): Option[] {
  return helpOf(command)
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')
}

/** `modelseal sign key`: the words with which a command is called. */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function anchorOf(command: Command): string {
  return pathOf(command).replaceAll(' ', '-')
}

function helpOf(command: Command): Help {
  return command.createHelp()
}

/** What the help of a command adds after its options: examples, mostly. */
function textAfter(command: Command): string {
  let text = ''
  const write = (added: string) => void (text += added)
  // addHelpText() listens to this event, which the types of commander leave out.
  const emitter = command as unknown as EventEmitter
  emitter.emit('afterHelp', { error: false, write, command })
  return text.trim()
}
