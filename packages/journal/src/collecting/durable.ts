import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const TEMPORARY = /^\.[0-9a-f]{16}\.tmp$/

/** Creates or replaces a file, which is complete at every moment. Its name is durable once its directory is synced. */
export async function writeWhole(path: string, content: string | Buffer): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** So that new names survive a loss of power. Windows opens no directories. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes what a killed process left behind. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => []))
    if (TEMPORARY.test(name)) await rm(join(directory, name), { force: true })
}
