// Commands that change the policy and its keys, or read them.
import { chmodSync, chownSync } from 'node:fs'
import fc from 'fast-check'
import { expect } from 'vitest'
import { command, CONTENTS, ROOT, bySecond, type Command } from './command.ts'
import { count, userOf } from './load-command.ts'
import { KEYS, type Key, type PolicyVersion, type Site } from './site.ts'
import type { System } from './system.ts'
import { SECOND, type User } from './user.ts'

export const key = fc.constantFrom(...KEYS)
export const how = fc.constantFrom('in place' as const, 'replaced' as const)

function policyCommand(name: string, writing: Writing, change: (site: Site) => Partial<PolicyVersion>): Command {
  return command(`${name}, ${writing}`, (site, system) => {
    writePolicy(site, system, { ...site.policy.version, ...change(site) }, writing)
  })
}

type Writing = 'in place' | 'replaced'

export function writePolicy(site: Site, system: System, version: PolicyVersion, writing: Writing): void {
  system.writePolicy(version, writing)
  const replaced = writing === 'replaced' ? { owner: site.first, mode: 0o644 } : {}
  site.policyChanged({ version, valid: true, ...replaced })
}

/** Each revokes something more. */
export const revokeCommands = fc.oneof(
  fc.tuple(key, how).map(([key, how]) =>
    policyCommand(`revoke the key ${key}`, how, ({ policy: { version } }) => ({
      revokedKeys: [...new Set([...version.revokedKeys, key])],
    })),
  ),
  fc.tuple(fc.nat(), how).map(([number, how]) =>
    policyCommand(`revoke the root digest ${number}`, how, ({ policy: { version }, signed }) => ({
      revokedRoots: [
        ...new Set([
          ...version.revokedRoots,
          ...(signed.length > 0 ? [signed[number % signed.length]!.rootDigest] : []),
        ]),
      ],
    })),
  ),
  fc.tuple(fc.constantFrom(...CONTENTS), how).map(([content, how]) =>
    policyCommand(`revoke the file ${content}`, how, ({ policy: { version } }) => ({
      revokedFiles: [...new Set([...version.revokedFiles, content])],
    })),
  ),
)

export const policyCommands = fc.oneof(
  fc.tuple(key, how).map(([rotating, how]) => policyCommand(`rotate to ${rotating}`, how, () => ({ rotating }))),
  { weight: 3, arbitrary: revokeCommands },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('model', 'alias'), how)
      .map(([name, how]) => policyCommand(`require the name ${name}`, how, () => ({ name }))),
  },
  how.map((how) =>
    policyCommand('revoke nothing', how, () => ({ revokedKeys: [], revokedRoots: [], revokedFiles: [] })),
  ),
  fc
    .tuple(
      fc.record({
        trusted: fc.constantFrom<readonly Key[]>(['one'], ['one', 'two'], ['two']),
        threshold: fc.constantFrom(1 as const, 1 as const, 2 as const),
        receipts: fc.boolean(),
        files: fc.constantFrom('all' as const, 'loaded' as const, 'ignore-unsigned' as const),
        name: fc.constantFrom(undefined, undefined, 'model'),
      }),
      how,
    )
    .map(([change, how]) => policyCommand(`policy ${JSON.stringify(change)}`, how, () => change)),
  how.map((how) =>
    command(`garbage instead of a policy, ${how}`, (site, system) => {
      system.writeGarbage(how)
      site.policyChanged({ valid: false, ...(how === 'replaced' ? { owner: site.first, mode: 0o644 } : {}) })
    }),
  ),
  fc
    .tuple(fc.constantFrom(0o644, 0o646), ROOT ? fc.constantFrom(0, SECOND) : fc.constant(undefined))
    .map(([mode, owner]) =>
      command(`policy of ${owner} with the mode ${mode.toString(8)}`, (site, system) => {
        const path = system.path('policy.yaml')
        chmodSync(path, mode)
        if (owner !== undefined) chownSync(path, owner, owner)
        site.policyChanged({ mode, ...(owner === undefined ? {} : { owner }) })
      }),
    ),
)

export const readPolicyCommands = fc
  .tuple(fc.constantFrom('hold' as const, 'watch' as const, 'reload' as const, 'reload' as const), bySecond)
  .map(([what, second]) =>
    command(`${second ? 'second' : 'first'} user: ${what}`, (site, system) => {
      const user = userOf(system, second)
      return what === 'reload' ? reload(site, user) : readPolicy(site, user, what)
    }),
  )

export async function reload(site: Site, user: User): Promise<void> {
  if (!site.watched.has(user.id)) return
  const [version, ...others] = site.look(user.id)
  const own = site.open.filter((open) => open.user === user.id && open.watched)
  const mustBe = (open: (typeof own)[number]) =>
    others.length === 0 && !open.isOfEarlierWatch && site.refusesOpen(open, version!) === true
  const expected = own.filter(mustBe).map(({ id }) => id)
  const revoked = await user.reload(expected)
  for (const id of expected) expect(revoked, 'models that must have been revoked').toContain(id)
  if (expected.length > 0) count('open model revoked')
  const doubtful = own.filter((open) => open.doubtful).map(({ id }) => id)
  for (const id of revoked) expect(doubtful, 'models that may have been revoked').toContain(id)
}

export async function readPolicy(site: Site, user: User, what: 'hold' | 'watch'): Promise<void> {
  const fault = site.policyFault(user.id)
  expect(await user[what]()).toBe(fault)
  if (fault !== undefined) return
  const { stamp, version } = site.policy
  if (what === 'hold') {
    site.held.set(user.id, version)
    return
  }
  site.watched.set(user.id, { stamp, versions: [version], since: [] })
  // Nobody asks the one before any more, except for its models.
  for (const open of site.open) if (open.user === user.id) open.isOfEarlierWatch = true
}
