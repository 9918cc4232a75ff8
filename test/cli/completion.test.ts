import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directory, modelseal, PROGRAM, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

/** Words that end with a tab are completed; the result is what the shell then runs. */
const TYPED: readonly (readonly [typed: string, ran: string])[] = [
  ['sig\tke\tend', '<sign><key><end>'],
  ['sign key --hash-type=sha\t', '<sign><key><--hash-type=sha256>'],
  ['sign key --hash-type blake2\t', '<sign><key><--hash-type><blake2b>'],
  ['sign key --private-key=release.k\t', '<sign><key><--private-key=release.key>'],
  ['sign key --sign\tmy\t', '<sign><key><--signature><my bundle>'],
  ['policy ch\t', '<policy><check>'],
  ['--log-level crit\tpol\t', '<--log-level><critical><policy>'],
  ['digest vad/wei\t', '<digest><vad/weights.bin>'],
  // A model is the only argument.
  ['digest vad rel\t', '<digest><vad><rel>'],
]

/** In the place of the program, once the script is there. */
const SHOW = `modelseal() { printf 'RAN'; printf '<%s>' "$@"; echo; }`

const environment = () => ({
  ...process.env,
  PATH: `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}`,
  HOME: directory,
  ZDOTDIR: directory,
  TERM: 'dumb',
})

function exists(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** Files to complete, and the program in PATH. */
async function prepare(): Promise<void> {
  await mkdir(join(directory, 'bin'))
  await write('bin/modelseal', `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`)
  await chmod(join(directory, 'bin/modelseal'), 0o755)
  await write('my bundle', '')
}

/** What an interactive shell runs for these lines, typed at a terminal that `script` (util-linux) provides. */
function typedIn(shell: string): string[] {
  const input = TYPED.map(([typed]) => `modelseal ${typed}\n`).join('')
  const output = execFileSync('script', ['-qec', shell, '/dev/null'], {
    cwd: directory,
    env: environment(),
    input: `${input}exit\n`,
    encoding: 'utf8',
    timeout: 100_000,
  })
  return Array.from(output.matchAll(/^.*?RAN(<.*>)\r?$/gm), ([, ran = '']) => ran)
}

describe.skipIf(process.platform !== 'linux')('completes what is typed', () => {
  test.skipIf(!exists('script') || !exists('bash'))('in bash', async () => {
    await prepare()
    await write('.bashrc', `source <(modelseal completion bash)\n${SHOW}\n`)
    expect(typedIn('bash -i')).toEqual(TYPED.map(([, ran]) => ran))
  })

  test.skipIf(!exists('script') || !exists('zsh'))('in zsh', async () => {
    await prepare()
    await write('.zshrc', `autoload -Uz compinit; compinit -u -D\nsource <(modelseal completion zsh)\n${SHOW}\n`)
    expect(typedIn('zsh -i')).toEqual(TYPED.map(([, ran]) => ran))
  })

  test.skipIf(!exists('fish'))('in fish', async () => {
    await prepare()
    const ask = (line: string) =>
      execFileSync(
        'fish',
        ['--no-config', '--command', `modelseal completion fish | source; complete --do-complete='modelseal ${line}'`],
        {
          cwd: directory,
          env: environment(),
          encoding: 'utf8',
        },
      )
    expect(ask('sign ke')).toBe('key\tSign with a private key.\n')
    expect(ask('sign key --hash-type=sha')).toBe('--hash-type=sha256\n')
    expect(ask('sign key --private-key=release.k')).toContain('--private-key=release.key\n')
    expect(ask('digest vad/wei')).toBe('vad/weights.bin\n')
    expect(ask('digest vad rel')).toBe('')
  })
})

test('answers with nothing where nothing can stand', async () => {
  expect(await modelseal(['completion', 'answer', 'bash', '--', 'nonsense', 'x'])).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  })
})

test('names the shell that was probably meant', async () => {
  const { code, stderr } = await modelseal(['completion', 'basj'])
  expect(code).toBe(2)
  expect(stderr).toContain("Allowed choices are bash, zsh, fish. Did you mean 'bash'?")
})
