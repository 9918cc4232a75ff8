import type { Argument, Command, Option } from 'commander'
import { withDefaultMethod, withSummaryMethod } from '../default-method.ts'
import { spelledWithDashes } from '../option-names.ts'

/** What can stand for a word of a command line. */
export interface Completions {
  candidates: readonly Candidate[]
  /** True if the name of a file can stand there too. */
  files: boolean
}

interface Candidate {
  value: string
  /** Empty if there is nothing to say. */
  description: string
}

/**
 * Finds what can complete the last of these words, which may be empty.
 *
 * @param words those after the name of the program
 */
export function completionsFor(words: readonly string[], program: Command): Completions {
  const current = words.at(-1) ?? ''
  const place = placeAfter(normalised(words.slice(0, -1), program), program)
  const { candidates, files } = found(current, place)
  return { candidates: candidates.filter(({ value }) => value.startsWith(current)), files }
}

function normalised(words: readonly string[], program: Command): string[] {
  return withDefaultMethod(withSummaryMethod(spelledWithDashes(words, program), program), program)
}

/** Where a word stands. */
interface Place {
  command: Command
  operands: number
  /** The option whose value it is. */
  option: Option | undefined
  /** After `--`. */
  onlyOperands: boolean
  /** After `help`. */
  asksForHelp: boolean
}

function placeAfter(words: readonly string[], program: Command): Place {
  const place: Place = { command: program, operands: 0, option: undefined, onlyOperands: false, asksForHelp: false }
  for (const word of words) {
    const child = place.operands === 0 ? place.command.commands.find((one) => one.name() === word) : undefined
    if (place.option) place.option = undefined
    else if (place.onlyOperands) place.operands++
    else if (word === '--') place.onlyOperands = true
    else if (isOption(word)) place.option = word.includes('=') ? undefined : optionNamed(word, place.command)
    else if (word === 'help' && place.command === program) place.asksForHelp = true
    else if (child) place.command = child
    else place.operands++
  }
  return place
}

function isOption(word: string): boolean {
  return word.startsWith('-') && word !== '-'
}

/** Undefined if no value follows it. */
function optionNamed(name: string, command: Command): Option | undefined {
  return optionsOf(command).find(({ long, short, required }) => required && (long === name || short === name))
}

function found(current: string, { command, operands, option, onlyOperands, asksForHelp }: Place): Completions {
  if (option) return values(option)
  if (asksForHelp) return { candidates: commandsBelow(command), files: false }
  const [, name, before] = (!onlyOperands && /^((--[^=]+)=)/.exec(current)) || []
  if (before !== undefined) {
    const { candidates, files } = values(optionNamed(before, command))
    return { candidates: candidates.map((one) => ({ ...one, value: `${name}${one.value}` })), files }
  }
  if (!onlyOperands && current.startsWith('-')) {
    const candidates = optionsOf(command).map(({ long, short, description }) => ({
      value: long ?? short ?? '',
      description,
    }))
    return { candidates, files: false }
  }
  const { candidates, files } = values(argumentAt(operands, command))
  return {
    candidates: operands === 0 && !onlyOperands ? [...commandsBelow(command), ...candidates] : candidates,
    files,
  }
}

function commandsBelow(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((below) => below.name() !== 'help' || command.parent === null)
    .map((below) => ({ value: below.name(), description: below.description() }))
}

/** Those that can follow the command, also without the method that it has by default. */
function optionsOf(command: Command): Option[] {
  const own = command.createHelp().visibleOptions(command)
  const ofDefault = defaultOf(command)?.options.filter(({ long }) => own.every((one) => one.long !== long)) ?? []
  return [...own, ...ofDefault]
}

function argumentAt(operands: number, command: Command): Argument | undefined {
  const { registeredArguments: own } = command
  const all = own.length > 0 ? own : (defaultOf(command)?.registeredArguments ?? [])
  return all[operands] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined)
}

/** The command that runs if none below this one is named. */
function defaultOf(command: Command): Command | undefined {
  const name: unknown = Reflect.get(command, '_defaultCommandName')
  return command.commands.find((below) => below.name() === name)
}

function values(taker: Option | Argument | undefined): Completions {
  const candidates = (taker?.argChoices ?? []).map((value) => ({ value, description: '' }))
  return { candidates, files: taker !== undefined && candidates.length === 0 && takesFile(taker) }
}

/** The names of values in the help that stand for files and directories. */
const FILES = new Set([
  'path',
  'file',
  'key',
  'directory',
  'model',
  'feed',
  'journal',
  'catalogue',
  'old',
  'new',
  'document',
  'source',
  'more',
  'out',
])

function takesFile(taker: Option | Argument): boolean {
  const name = 'flags' in taker ? (/<([^>.]+)/.exec(taker.flags)?.[1] ?? '') : taker.name()
  return FILES.has(name)
}
