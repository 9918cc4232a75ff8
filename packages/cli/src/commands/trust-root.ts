import type { Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../instance.ts'
import { nonEmpty, withJson } from '../options.ts'
import { summary } from '../output.ts'
import type { Outcome, Perform } from '../perform.ts'

/** `modelseal trust-root show|export`: which Sigstore root is trusted, and moving it. */
export function addTrustRoot(program: Command, perform: Perform): void {
  const group = program.command('trust-root').description('Which trusted root of Sigstore is used; move it elsewhere.')
  withJson(withInstance(group.command('show')))
    .description('Say which root is used, and how old it is.')
    .action((flags: InstanceFlags & { json?: boolean }, command: Command) =>
      perform((_, given: InstanceFlags) => show(given))('', flags, command),
    )
  withJson(withInstance(group.command('export')))
    .description('Write the root to a file, for --trust-config on another machine.')
    .argument('<file>', 'where it goes', nonEmpty)
    .action(perform(write))
}

async function show(flags: InstanceFlags): Promise<Outcome> {
  const { loadSigstoreTrust, shown } = await import('@modelseal/core')
  const { info } = await loadSigstoreTrust(instanceOf(flags))
  const { name, source, digest, newest } = info
  return {
    lines: summary(`Trusted root ${shown(name)}`, [
      ['source', source],
      ['digest', `sha256:${digest}`],
      ['newest key', newest],
    ]),
    json: { result: info },
  }
}

async function write(file: string, flags: InstanceFlags): Promise<Outcome> {
  const { exportTrustRoot, shown } = await import('@modelseal/core')
  const info = await exportTrustRoot(instanceOf(flags), file)
  return {
    lines: summary(`Wrote ${shown(file)}`, [
      ['newest key', info.newest],
      ['digest', `sha256:${info.digest}`],
    ]),
    json: { result: info },
  }
}
