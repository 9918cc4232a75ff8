// The commands of random runs.
import fc from 'fast-check'
import { expect } from 'vitest'
import {
  count,
  expectSigned,
  isPossible,
  load,
  tamperIfPossible,
  userOf,
  type Interruption,
  type Load,
} from './load-command.ts'
import { bySecond, command, CONTENTS, ROOT, type Command } from './command.ts'
import { LEVELS, SOURCES, WAYS } from './loading.ts'
import { FIRST_POLICY, SLOTS, type Key, type PolicyVersion, type Signature, type Site, type Slot } from './site.ts'
import {
  how,
  key,
  policyCommands,
  readPolicy,
  readPolicyCommands,
  reload,
  revokeCommands,
  writePolicy,
} from './policy-commands.ts'
import type { System } from './system.ts'
import type { Content, Tampering } from './tampering.ts'
import { SECOND } from './user.ts'

const NAMES = ['config.json', 'weights.bin', 'sub/more.bin', 'extra.bin', 'sub/extra.bin'].map(
  (name) => `model/${name}`,
)
const OUTSIDE = ['outside/x', 'outside/y']

export const FIRST_FILES: Readonly<Record<string, Content>> = {
  'model/config.json': 'a:3000',
  'model/weights.bin': 'b:3000',
  'model/sub/more.bin': 'c:3000',
  'outside/x': 'a:3000',
  'outside/y': 'd:3000',
}

const name = fc.constantFrom(...NAMES)
const outside = fc.constantFrom(...OUTSIDE)
const anywhere = fc.oneof(name, outside)
/** Now and then so large that threads hash it. */
const content = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(...CONTENTS) },
  { weight: 1, arbitrary: fc.constant<Content>('z:9000000') },
)
const place = fc.constantFrom(...NAMES, ...OUTSIDE, 'model', 'model/sub')
const tampering: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ do: fc.constantFrom('write' as const), name: anywhere, content }),
  fc.record({ do: fc.constant('replace' as const), name, content }),
  fc.record({
    do: fc.constant('add' as const),
    name: fc.constantFrom('model/extra.bin', 'model/sub/extra.bin'),
    content,
  }),
  fc.record({ do: fc.constantFrom('remove' as const, 'truncate' as const), name }),
  fc.record({ do: fc.constant('swap' as const), name, other: name }),
  fc.record({ do: fc.constantFrom('hardLink' as const, 'link' as const), name, other: outside }),
)
/** The modes of files and directories are all usable for their owner. */
const administration: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ do: fc.constantFrom('linkDirectory' as const, 'unlinkDirectory' as const) }),
  fc.record({ do: fc.constant('chmod' as const), name: anywhere, mode: fc.constantFrom(0o644, 0o600, 0o666, 0o664) }),
  fc.record({
    do: fc.constant('chmod' as const),
    name: fc.constantFrom('model', 'model/sub'),
    mode: fc.constantFrom(0o755, 0o777, 0o700),
  }),
  ...(ROOT ? [fc.record({ do: fc.constant('chown' as const), name: place, owner: fc.constantFrom(0, SECOND) })] : []),
)

function tamperCommand(it: Tampering, second: boolean): Command {
  return command(
    `${second ? 'second' : 'first'} user: ${JSON.stringify(it)}`,
    async (site, system) => {
      if (await tamperIfPossible(site, userOf(system, second), it)) count(it.do)
    },
    (site) => isPossible(site, it),
  )
}

async function sign(
  site: Site,
  system: System,
  slot: Slot,
  key: Key,
  how: { alias: boolean; shards: boolean },
): Promise<void> {
  const signature: Signature = {
    ...(await system.sign(slot, key, how)),
    files: site.contents(),
    ignored: new Set([...site.slots.keys(), slot]),
  }
  site.signed.push(signature)
  site.slots.set(slot, signature)
  site.changes++
}

/** How every run begins: the model is signed, and all users have read the policy. */
export async function begin(site: Site, system: System): Promise<void> {
  await sign(site, system, 'a.oms.sig', 'one', { alias: false, shards: false })
  for (const user of system.users) for (const what of ['hold', 'watch'] as const) await readPolicy(site, user, what)
}

const slot = fc.constantFrom(...SLOTS)

const signCommand = fc
  .tuple(slot, key, fc.record({ alias: fc.boolean(), shards: fc.boolean() }))
  .map(([slot, key, how]) =>
    command(
      `sign ${slot} by ${key} ${JSON.stringify(how)}`,
      (site, system) => sign(site, system, slot, key, how),
      // A model.sig that is cut off counts as a file.
      (site) =>
        !site.hasLinks && site.names.length > 0 && ![...site.slots.values()].some((it) => it.damaged === 'cut off'),
    ),
  )

const replayCommand = fc.tuple(slot, fc.nat()).map(([slot, number]) =>
  command(
    `put bundle ${number} at ${slot}`,
    (site, system) => {
      const signature = site.signed[number % site.signed.length]!
      system.putBundle(slot, signature.bundle)
      site.slots.set(slot, signature)
      site.changes++
    },
    (site) => site.signed.length > 0,
  ),
)

const removeBundleCommand = slot.map((slot) =>
  command(
    `remove ${slot}`,
    (site, system) => {
      system.removeBundle(slot)
      site.slots.delete(slot)
    },
    (site) => site.slots.has(slot),
  ),
)

const damageCommand = fc
  .tuple(slot, fc.constantFrom('signature' as const, 'payload' as const, 'cut off' as const))
  .map(([slot, damaged]) =>
    command(
      `damage ${slot}: ${damaged}`,
      (site, system) => {
        const signature = site.slots.get(slot)!
        system.putBundle(slot, damage(signature.bundle, damaged))
        site.slots.set(slot, { ...signature, damaged })
        site.changes++
      },
      // Elsewhere, a file that is no bundle is a file of the model.
      (site) => site.slots.has(slot) && (damaged !== 'cut off' || slot === 'model.sig'),
    ),
  )

function damage(bundle: Uint8Array, how: 'signature' | 'payload' | 'cut off'): Buffer {
  const bytes = Buffer.from(bundle)
  if (how === 'cut off') return bytes.subarray(0, bytes.length / 2)
  const json = JSON.parse(bytes.toString()) as { dsseEnvelope: { payload: string; signatures: [{ sig: string }] } }
  const { dsseEnvelope: envelope } = json
  if (how === 'signature') {
    const signature = Buffer.from(envelope.signatures[0].sig, 'base64')
    signature[signature.length - 1]! ^= 1
    envelope.signatures[0].sig = signature.toString('base64')
  } else {
    const payload = Buffer.from(envelope.payload, 'base64').toString()
    const changed = payload.replace(
      /("digest": ?"[0-9a-f]{10})(.)/,
      (_, before: string, digit: string) => before + (digit === '0' ? '1' : '0'),
    )
    expect(changed).not.toBe(payload)
    envelope.payload = Buffer.from(changed).toString('base64')
  }
  return Buffer.from(JSON.stringify(json))
}

const openCommands = fc.tuple(fc.constantFrom('read', 'close'), fc.nat()).map(([what, number]) =>
  command(
    `${what} open model ${number}`,
    async (site, system) => {
      const index = number % site.open.length
      const open = site.open[index]!
      const user = system.user(open.user)
      if (what === 'close') {
        site.open.splice(index, 1)
        return user.close(open.id)
      }
      const bytes = await user.read(open.id)
      if (!('code' in bytes)) {
        count('read again')
        expectSigned(bytes, open.accepted)
        return
      }
      count(`read again: ${String(bytes.code)}`)
      if (open.doubtful && String(bytes.code) === 'MODEL_REVOKED') return
      expect(bytes.code).toMatch(/^(?:FILE_(?:CHANGED|MISMATCH|MISSING|REVOKED|UNREADABLE|SPECIAL)|SYMLINK_REFUSED)$/)
      expect(open.changes, 'a model that did not change').not.toBe(site.changes)
    },
    (site) => site.open.length > 0,
  ),
)

/** Puts back what was signed, under a policy that accepts it, so that not every load is refused. */
const repairCommand = fc.tuple(fc.nat(), how).map(([number, writing]) =>
  command(
    `repair ${number}`,
    async (site, system) => {
      const signature = site.signed[number % site.signed.length]!
      const doing = async (tampering: Tampering) => {
        if (isPossible(site, tampering)) expect(await tamperIfPossible(site, system.first, tampering)).toBe(true)
      }
      await doing({ do: 'unlinkDirectory' })
      for (const [directory] of site.directories) {
        if (ROOT) await doing({ do: 'chown', name: directory, owner: 0 })
        await doing({ do: 'chmod', name: directory, mode: directory === 'outside' ? 0o777 : 0o755 })
      }
      for (const name of site.names) await doing({ do: 'remove', name: `model/${name}` })
      for (const [name, content] of signature.files) await doing({ do: 'add', name: `model/${name}`, content })
      for (const slot of SLOTS) if (site.slots.delete(slot)) system.removeBundle(slot)
      system.putBundle('model.sig', signature.bundle)
      site.slots.set('model.sig', signature)
      const { receipts, files } = site.policy.version
      const version: PolicyVersion = {
        ...FIRST_POLICY,
        trusted: ['one', 'two'],
        rotating: signature.key,
        receipts,
        files,
      }
      writePolicy(site, system, version, writing)
    },
    (site) => site.signed.length > 0,
  ),
)

const plain = {
  policy: fc.constantFrom(...SOURCES),
  isolation: fc.constantFrom(...LEVELS),
  way: fc.constantFrom(...WAYS),
  bySecond,
  keepOpen: fc.boolean(),
  isLater: fc.boolean(),
}
const interruption: fc.Arbitrary<Interruption> = fc.record({
  when: fc.constantFrom('before reading', 'after placing', 'meanwhile'),
  delay: fc.nat(15),
  bySecond,
  tampering: fc.oneof(tampering, tampering, administration),
})

function loadCommand(given: Load): Command {
  return command(`load ${JSON.stringify(given)}`, (site, system) => load(site, system, given))
}

const plainLoadCommand = fc.record(plain).map(loadCommand)
const interruptedLoadCommand = fc.record({ ...plain, interruption }).map(loadCommand)

/** Two loads so that there is a receipt, then a change, then one more load. */
const warmLoadCommand = fc
  .record({ given: fc.record(plain), it: tampering, second: bySecond, writing: how })
  .map(({ given, it, second, writing }) =>
    command(
      `change ${JSON.stringify({ it, second, writing })} between loads ${JSON.stringify(given)}`,
      async (site, system) => {
        writePolicy(site, system, { ...site.policy.version, receipts: true }, writing)
        const later = { ...given, policy: 'path', isLater: true, keepOpen: false } as const
        for (let i = 0; i < 2; i++) await load(site, system, later)
        await tamperIfPossible(site, userOf(system, second), it)
        await load(site, system, later)
      },
    ),
  )

/** A load under a watched policy, which then revokes something. */
const revokedLoadCommand = fc.record({ given: fc.record(plain), revoke: revokeCommands }).map(({ given, revoke }) =>
  command(`load ${JSON.stringify(given)}, and ${String(revoke)} while it is open`, async (site, system) => {
    await load(site, system, { ...given, policy: 'watched', keepOpen: true })
    await revoke.run(site, system)
    await reload(site, userOf(system, given.bySecond))
  }),
)

const tamperCommands = fc.tuple(tampering, bySecond).map(([it, second]) => tamperCommand(it, second))

/** Listed as often as each should occur in comparison with the others. */
export const COMMANDS: readonly fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 5 }, () => plainLoadCommand),
  ...Array.from({ length: 2 }, () => interruptedLoadCommand),
  ...Array.from({ length: 2 }, () => warmLoadCommand),
  revokedLoadCommand,
  ...Array.from({ length: 2 }, () => tamperCommands),
  ...Array.from({ length: 2 }, () => administration.map((it) => tamperCommand(it, false))),
  signCommand,
  replayCommand,
  removeBundleCommand,
  damageCommand,
  ...Array.from({ length: 3 }, () => policyCommands),
  ...Array.from({ length: 3 }, () => readPolicyCommands),
  ...Array.from({ length: 3 }, () => openCommands),
  ...Array.from({ length: 3 }, () => repairCommand),
]
