import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isPrivateGroup } from './private-group.ts'

const LINUX = process.platform === 'linux'

/** Users whose primary group has their own name and number, as most do. */
function usersWithGroups(): { uid: bigint; gid: bigint }[] {
  const groups = readFileSync('/etc/group', 'utf8').split('\n')
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([name = '', , , gid = '']) => groups.includes(`${name}:x:${gid}:`))
    .map(([, , uid = '', gid = '']) => ({ uid: BigInt(uid), gid: BigInt(gid) }))
}

test.runIf(LINUX)('a private group counts only for its own user', () => {
  const [first, second] = usersWithGroups().filter(({ uid }) => uid !== 0n)
  if (!first || !second) throw new Error('There are no two users on this machine.')
  expect(isPrivateGroup(first)).toBe(true)
  expect(isPrivateGroup({ uid: first.uid, gid: second.gid })).toBe(false)
  expect(isPrivateGroup({ uid: second.uid, gid: first.gid })).toBe(false)
})

test.runIf(LINUX)('users and groups that no file lists have no private group', () => {
  expect(isPrivateGroup({ uid: 54_321n, gid: 54_321n })).toBe(false)
  expect(isPrivateGroup({ uid: 0n, gid: 54_321n })).toBe(false)
})
