import type { Command } from 'commander'
import { examine, type Finding } from '../../examining/findings.ts'
import { pathOption, withJson } from '../../options.ts'
import type { Outcome, Perform } from '../../perform.ts'

interface Flags {
  policy?: string
}

/** `modelseal doctor`: what prevents loads on this machine, and what to do about it. */
export function addDoctor(program: Command, perform: Perform): void {
  withJson(program.command('doctor'))
    .description('Examine this machine: Node.js, policy, trust root, cache, private directories, isolation, proxies.')
    .addOption(pathOption('--policy <path>', 'trust policy (default: the one that a load would find)'))
    .addHelpText('after', HELP)
    .action((flags: Flags & { json?: boolean }, command: Command) =>
      perform((_, given: Flags) => doctor(given))('', flags, command),
    )
}

const HELP = `
It sends nothing over the network, reads no model, and shows no secret: of tokens and passwords, only where they are. It creates a private
directory as a load does, and removes it.

Exit code: 0 if loads can work, also if something could be better, and 1 if there is a problem.

Examples:
  $ modelseal doctor
  $ modelseal doctor --policy /etc/modelseal/policy.yaml --json`

async function doctor({ policy }: Flags): Promise<Outcome> {
  const findings = await examine(policy)
  const problems = findings.filter(({ status }) => status === 'problem').length
  return {
    lines: [...findings.flatMap(linesOf), '', summaryOf(problems)],
    json: { result: { findings } },
    ...(problems > 0 && { exitCode: 1 }),
  }
}

const MARKS = { ok: 'ok', advice: 'advice', problem: 'PROBLEM' } as const

function linesOf({ status, subject, found, action }: Finding): string[] {
  const line = `${MARKS[status].padEnd(MARKS.problem.length)}  ${subject}: ${found}`
  return action === undefined ? [line] : [line, `${' '.repeat(MARKS.problem.length + 2)}${action}`]
}

function summaryOf(problems: number): string {
  if (problems === 0) return 'Nothing prevents verified loads.'
  return `${problems} ${problems === 1 ? 'problem prevents' : 'problems prevent'} verified loads.`
}
