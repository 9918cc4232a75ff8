import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyJournal } from '../../packages/core/src/entries/journal.ts'
import { emptyRoot } from '../../packages/core/src/merkle/tree.ts'
import { loadRecord, TestJournal } from '../../packages/core/src/testing/journals.ts'
import { refusal } from '../../packages/core/src/testing/scratch.ts'
import { witnessJournal } from '../../packages/journal/src/index.ts'

// litewitness, a witness in use for public logs, cosigns the checkpoints of a journal.

let root: string
let url: string
let witnessKey: string
const running: ChildProcess[] = []

beforeAll(async () => {
  // The path of a socket has at most 107 bytes.
  root = mkdtempSync(join(tmpdir(), 'witness-'))
  url = `http://127.0.0.1:${await freePort()}`
  const socket = join(root, 'agent')
  start('ssh-agent', '-D', '-a', socket)
  await until(() => existsSync(socket))
  const key = join(root, 'key')
  openssh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key)
  openssh('ssh-add', '-q', key)
  const [, fingerprint = ''] = openssh('ssh-keygen', '-l', '-f', key).split(' ')
  const own = ['-name', 'witness.example/lite', '-db', join(root, 'db'), '-ssh-agent', socket, '-key', fingerprint]
  start(process.env['JOURNAL_WITNESS'] ?? '', ...own, '-listen', url.slice('http://'.length))
  await until(async () => {
    const page = await fetch(url).then(
      (response) => response.text(),
      () => '',
    )
    witnessKey = /witness\.example\/lite\+\S+/.exec(page)?.[0].replaceAll('&#43;', '+') ?? ''
    return witnessKey !== ''
  })
})

afterAll(async () => {
  for (const child of running) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  rmSync(root, { recursive: true, force: true })
})

function start(program: string, ...args: string[]): void {
  running.push(spawn(program, args, { stdio: 'ignore' }))
}

function openssh(program: string, ...args: string[]): string {
  const env = { ...process.env, SSH_AUTH_SOCK: join(root, 'agent') }
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env })
  expect({ program, status, stderr }).toMatchObject({ program, status: 0 })
  return stdout
}

async function until(isReady: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await isReady()) return
    await wait(50)
  }
  throw new Error('It did not start.')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function journalIn(name: string, pid = 1) {
  const directory = join(root, name)
  mkdirSync(directory)
  const journal = new TestJournal(directory, 'host-a')
  const segment = journal.segment({ pid })
  const commit = (count: number) => {
    for (let index = 0; index < count; index++) {
      segment.add(loadRecord())
      segment.commit()
    }
  }
  return { directory, journal, commit }
}

/** What `witnessctl add-log` and `add-key` do. */
function introduce({ file }: TestJournal): void {
  const origin = file.key.slice(0, file.key.indexOf('+'))
  const database = new DatabaseSync(join(root, 'db'))
  database.prepare('INSERT INTO log VALUES (?, 0, ?)').run(origin, emptyRoot().toString('base64'))
  database.prepare('INSERT INTO key VALUES (?, ?)').run(origin, file.key)
  database.close()
}

test('cosigns each state that continues the one before, and no other', async () => {
  const { directory, journal, commit } = journalIn('journal')
  const witnessed = (path = directory) => witnessJournal(path, { to: url, witnessKey })
  commit(1)
  await expect(witnessed()).rejects.toThrow(refusal('JOURNAL_FOREIGN'))
  introduce(journal)
  for (const count of [1, 0, 1, 5, 8, 13, 300]) {
    commit(count)
    expect(await witnessed()).toMatchObject({ size: journal.tree.size, witness: 'witness.example/lite' })
  }
  const { file: checkpoint, size } = await witnessed()
  const options = { checkpoint, witnessKey, key: journal.file.key }
  const report = await verifyJournal(directory, options)
  expect(report).toMatchObject({ holds: true, compared: size, witness: { name: 'witness.example/lite' } })
  expect(Math.abs(Date.now() - Date.parse(report.witness!.time))).toBeLessThan(60_000)

  const older = join(root, 'older')
  cpSync(directory, older, { recursive: true })
  rmSync(join(older, checkpoint.slice(directory.length)))
  commit(2)
  await witnessed()
  await expect(witnessed(older)).rejects.toThrow(refusal('JOURNAL_ROLLBACK', { found: String(size) }))
  expect(await verifyJournal(older, { checkpoint, witnessKey })).toMatchObject({
    holds: false,
    problems: [{ kind: 'rollback' }],
  })

  const forked = journalIn('forked', 2)
  forked.commit(size + 2)
  await expect(witnessed(forked.directory)).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
  forked.commit(1)
  await expect(witnessed(forked.directory)).rejects.toThrow(refusal('JOURNAL_INCONSISTENT'))
  expect(readFileSync(checkpoint, 'utf8')).toContain(`\n${size + 2}\n`)
})
