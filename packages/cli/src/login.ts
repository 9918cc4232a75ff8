import type { SigstoreSignerOptions } from '@modelseal/core/signing'

/**
 * Lets the person at the terminal log in; undefined if there is no terminal.
 *
 * @param byCode true if no browser can reach this machine
 */
export function loginAtTerminal(byCode: boolean): SigstoreSignerOptions['interactive'] {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  if (!byCode) return { show: openBrowser }
  return {
    show: (url) => process.stderr.write(`${REASON} Log in at\n  ${url}\n`),
    askCode: async (signal) => {
      const { createInterface } = await import('node:readline/promises')
      const terminal = createInterface({ input: process.stdin, output: process.stderr })
      return terminal.question('and enter the code here: ', { signal }).finally(() => terminal.close())
    },
  }
}

const REASON = 'There is no identity token: no token was given, and no CI system provides one.'

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/** The address contains no secret: only this process can use the code that comes back (RFC 7636). */
function openBrowser(url: string): void {
  process.stderr.write(`${REASON} Your browser should open. If it does not, log in at\n  ${url}\n`)
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open']
  const { spawn } = process.getBuiltinModule('node:child_process')
  const browser = spawn(command, [...args, url], { stdio: 'ignore', detached: true })
  // The address is also on the screen.
  browser.on('error', () => {})
  browser.unref()
}
