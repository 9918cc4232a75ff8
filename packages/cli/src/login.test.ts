import { EventEmitter } from 'node:events'
import { expect, onTestFinished, test, vi } from 'vitest'
import { loginAtTerminal } from './login.ts'

const URL = 'https://login.example/?state=1&nonce=2'

/** A terminal on this system, and the programs that are started. */
function terminalOn(platform: NodeJS.Platform) {
  const spawn = vi.fn(() => Object.assign(new EventEmitter(), { unref() {} }))
  vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => ({ spawn }))
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const before = [process, process.stdin, process.stderr].map((of) => Object.getOwnPropertyDescriptors(of))
  Object.defineProperty(process, 'platform', { value: platform, configurable: true })
  for (const stream of [process.stdin, process.stderr])
    Object.defineProperty(stream, 'isTTY', { value: true, configurable: true })
  onTestFinished(() => {
    vi.restoreAllMocks()
    for (const [index, of] of [process, process.stdin, process.stderr].entries()) {
      const name = index === 0 ? 'platform' : 'isTTY'
      const own = before[index]?.[name]
      if (own) Object.defineProperty(of, name, own)
      else Reflect.deleteProperty(of, name)
    }
  })
  return spawn
}

test.each([
  ['linux', 'xdg-open', [URL]],
  ['freebsd', 'xdg-open', [URL]],
  ['darwin', 'open', [URL]],
  // No shell reads the address, in which "&" would begin another command.
  ['win32', 'rundll32', ['url.dll,FileProtocolHandler', URL]],
] as const)('on %s, %s opens the browser', (platform, command, args) => {
  const spawn = terminalOn(platform)
  loginAtTerminal(false)?.show(URL)
  expect(spawn).toHaveBeenCalledExactlyOnceWith(command, args, { stdio: 'ignore', detached: true })
})

test('nobody can log in without a terminal', () => {
  const spawn = terminalOn('linux')
  Object.defineProperty(process.stdin, 'isTTY', { value: false, configurable: true })
  expect(loginAtTerminal(false)).toBeUndefined()
  expect(spawn).not.toHaveBeenCalled()
})
