import type { TrustRootInfo } from '@modelseal/core/verification'
import type { Command } from 'commander'
import { instanceOf, tufInstanceOf, withInstance, withTuf, type InstanceFlags } from '../../instance.ts'
import { nonEmpty, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { originOf } from '../../trust-root-age.ts'

/** `modelseal trust-root show|update|export`: shows, fetches and exports the trusted Sigstore root. */
export function addTrustRoot(program: Command, perform: Perform): void {
  const group = program
    .command('trust-root')
    .description('Show which Sigstore trusted root is used, fetch the current one, or export it.')
  const alone =
    (work: (flags: InstanceFlags, session: Session) => Promise<Outcome>) =>
    (flags: InstanceFlags & { json?: boolean }, command: Command) =>
      perform((_, given: InstanceFlags, session) => work(given, session))('', flags, command)
  withJson(withInstance(group.command('show')))
    .description('Show which root is used, its origin and its age.')
    .action(alone(show))
  withJson(withTuf(group.command('update')))
    .description('Fetch the current root by TUF; no other command fetches one.')
    .addHelpText('after', UPDATE_HELP)
    .action(alone(update))
  withJson(withInstance(group.command('export')))
    .description('Write the root to a file, for --trust-config on another machine.')
    .argument('<file>', 'path of the file', nonEmpty)
    .action(perform(write))
}

const UPDATE_HELP = `
The root is verified and stored for this user (in MODELSEAL_CACHE, or else the cache directory of the platform). From
then on, every command, load and policy that trusts this instance uses it. It is verified again whenever it is read.

Examples:
  $ modelseal trust-root update
  $ modelseal trust-root update --tuf-url https://tuf.company.example --tuf-root root.json`

async function show(flags: InstanceFlags): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { loadSigstoreTrust } = await import('@modelseal/core/verification')
  const { info } = await loadSigstoreTrust(instanceOf(flags))
  return told(`Trusted root ${shown(info.name)}`, info, shown)
}

async function update(flags: InstanceFlags, { signal }: Session): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { updateTrustRoot } = await import('@modelseal/core/verification')
  const info = await updateTrustRoot(tufInstanceOf(flags), { signal })
  return told(`Updated the trusted root ${shown(info.name)}`, info, shown)
}

async function write(file: string, flags: InstanceFlags): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { exportTrustRoot } = await import('@modelseal/core/verification')
  return told(`Wrote ${shown(file)}`, await exportTrustRoot(instanceOf(flags), file), shown)
}

function told(heading: string, info: TrustRootInfo, shown: (name: string) => string): Outcome {
  const facts: [string, string][] = [
    ['root', originOf(info, shown)],
    ['digest', `sha256:${info.digest}`],
  ]
  if (info.source === 'carried') facts.push(['age', 'it may be outdated; "trust-root update" fetches the current one'])
  return { lines: summary(heading, facts), json: { result: info } }
}
