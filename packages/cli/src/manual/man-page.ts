import type { Argument, Command, Option } from 'commander'
import { commandPath } from '../command-path.ts'

/** A page of the manual, in the language of man(7). */
interface ManPage {
  /** File name, such as `modelseal-sign.1`. */
  name: string
  text: string
}

/** The pages of a program: one for itself, and one for each command, with the commands below it. */
export function manPages(program: Command): ManPage[] {
  const commands = visible(program)
  const names = ['modelseal', ...commands.map((command) => nameOf(command))]
  return [program, ...commands].map((command) => {
    const name = nameOf(command)
    const others = names.filter((other) => other !== name).map((other) => `.BR ${escaped(other)} (1)`)
    const sections = [
      `.TH ${escaped(name.toUpperCase())} 1 "" ${quoted(`modelseal ${program.version() ?? ''}`)} "modelseal manual"`,
      '.SH NAME',
      `${escaped(name)} \\- ${escaped(command.description().replace(/\.$/, ''))}`,
      '.SH SYNOPSIS',
      ...synopses(command),
      '.SH DESCRIPTION',
      escaped(command.description()),
      ...after(command),
      ...options(command, '.SH OPTIONS'),
      ...(command === program ? listed(commands) : visible(command).flatMap((below) => described(below))),
      '.SH SEE ALSO',
      others.join(' ,\n'),
    ]
    return { name: `${name}.1`, text: `${sections.join('\n')}\n` }
  })
}

function nameOf(command: Command): string {
  return ['modelseal', ...commandPath(command).split(' ').filter(Boolean)].join('-')
}

function visible(command: Command): readonly Command[] {
  const help = command.createHelp()
  return help.visibleCommands(command).filter((below) => below.name() !== 'help')
}

/** How each command is called: those below it too, unless they are listed. */
function synopses(command: Command): string[] {
  const below = command.parent ? visible(command) : []
  const isCalled = below.length === 0 || command.registeredArguments.length > 0
  return [...(isCalled ? [synopsis(command)] : []), ...below.flatMap(synopses)]
}

function synopsis(command: Command): string {
  const name = `\\fB${escaped(`modelseal ${commandPath(command)}`.trim())}\\fR`
  const operands = command.parent ? command.registeredArguments.map(operand) : ['\\fIcommand\\fR']
  return `.HP\n${[name, '[\\fIoptions\\fR]', ...operands].join(' ')}`
}

function operand(argument: Argument): string {
  const name = `\\fI${escaped(argument.name())}\\fR${argument.variadic ? ' ...' : ''}`
  return argument.required ? name : `[${name}]`
}

function listed(commands: readonly Command[]): string[] {
  const rows = commands.map((command) => `.TP\n.BR ${escaped(nameOf(command))} (1)\n${escaped(command.description())}`)
  return ['.SH COMMANDS', ...rows]
}

/** A command below that of the page. */
function described(command: Command): string[] {
  const below = visible(command)
  return [
    `.SH ${escaped(`modelseal ${commandPath(command)}`.toUpperCase())}`,
    escaped(command.description()),
    ...after(command),
    ...options(command),
    ...below.flatMap((one) => described(one)),
  ]
}

function options(command: Command, heading?: string): string[] {
  const help = command.createHelp()
  const operands = help
    .visibleArguments(command)
    .map((argument) => `.TP\n\\fI${escaped(argument.name())}\\fR\n${escaped(help.argumentDescription(argument))}`)
  const rows = help
    .visibleOptions(command)
    .map((option) => `.TP\n${term(option)}\n${escaped(help.optionDescription(option))}`)
  return [...(heading === undefined ? [] : [heading]), ...operands, ...rows]
}

function term({ flags }: Option): string {
  return flags
    .split(/(<[^>]*>)/)
    .map((part) =>
      part.startsWith('<') ? `\\fI${escaped(part.slice(1, -1))}\\fR` : part === '' ? '' : `\\fB${escaped(part)}\\fR`,
    )
    .join('')
}

/** The text that the help of a command has below its options. */
function after(command: Command): string[] {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  const lines = text.slice(command.helpInformation().length).trim().split('\n')
  if (lines.length === 1 && lines[0] === '') return []
  return ['.PP', ...lines.map((line, index) => rendered(line, lines[index - 1] ?? '', lines[index + 1]))]
}

/** Indented lines, such as examples, stay as they are. */
function rendered(line: string, before: string, next: string | undefined): string {
  const isIndented = (other: string | undefined) => other?.startsWith('  ') === true
  if (line === '') return '.PP'
  if (!isIndented(line)) return escaped(line)
  const begins = isIndented(before) ? '' : '.RS 2\n.nf\n'
  const ends = isIndented(next) ? '' : '\n.fi\n.RE'
  return `${begins}${escaped(line.slice(2))}${ends}`
}

/** No character of a text is a request or an escape, and a hyphen is one that can be copied. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(
      /[^\x20-\x7e\n]/gu,
      (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`
}
