import { describe, expect, test } from 'vitest'
import { redirectRule } from './redirect-rule.ts'

const LOOPBACK = 'http://127.0.0.1:8080'
const PUBLIC = 'https://192.88.98.1'

describe('a redirect', () => {
  test.each([
    [PUBLIC, 'https://192.88.98.2/x'],
    [PUBLIC, 'https://[2606:4700::1111]/x'],
    // A proxy may know the host. Without one, the request fails.
    [PUBLIC, 'https://nowhere.invalid/x'],
    [LOOPBACK, 'http://127.0.0.1:9090/x'],
    [LOOPBACK, 'http://localhost:9090/x'],
    [LOOPBACK, 'https://10.0.0.1/x'],
    ['https://10.0.0.1', 'https://10.0.0.2/x'],
    ['https://localhost', 'https://[::1]/x'],
  ])('from %s to %s is followed', async (origin, target) => {
    expect(await redirectRule(origin)(new URL(target))).toBeUndefined()
  })

  test.each([
    [PUBLIC, 'https://127.0.0.1/x', 'a host with a public address'],
    [PUBLIC, 'https://localhost/x', 'a host with a public address'],
    [PUBLIC, 'https://10.1.2.3/x', 'a host with a public address'],
    [PUBLIC, 'https://169.254.169.254/latest/meta-data', 'a host with a public address'],
    [PUBLIC, 'https://0x7f000001/x', 'a host with a public address'],
    [PUBLIC, 'https://[::1]/x', 'a host with a public address'],
    [PUBLIC, 'https://[::ffff:10.0.0.1]/x', 'a host with a public address'],
    [PUBLIC, 'https://[fd00::1]/x', 'a host with a public address'],
    [PUBLIC, 'http://192.88.98.2/x', 'an https URL'],
    [LOOPBACK, 'http://10.0.0.1/x', 'an https URL'],
    ['http://10.0.0.1', 'http://10.0.0.1:81/x', 'an https URL'],
  ])('from %s to %s is not', async (origin, target, expected) => {
    const { origin: found } = new URL(target)
    expect(await redirectRule(origin)(new URL(target))).toEqual({ expected, found: `"${found}"` })
  })
})
