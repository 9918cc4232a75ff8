import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { expect, onTestFinished } from 'vitest'

export function fifo(path: string): void {
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
}

/** It listens until the test ends. */
export async function socket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(path, listening))
  onTestFinished(() => void server.close())
}
