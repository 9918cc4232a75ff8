import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { oneFile } from './one-file.ts'
import type { Plugin } from './plugin.ts'

/** Embeds the code of the core's threads as text. */
export const threadCode: Plugin = {
  name: 'thread code',
  setup(build) {
    build.onLoad({ filter: /[\\/]hashing[\\/]threads[\\/]thread-code\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const text = await oneFile(build, join(dirname(path), 'thread.ts'))
      const contents = source
        .replace("new URL('./thread.ts', import.meta.url)", () => JSON.stringify(text))
        .replaceAll("'./worker.ts'", "'./hashing-worker.cjs'")
      if (contents.includes("thread.ts'") || contents.includes('worker.ts'))
        throw new Error(`${path} has changed: adapt build/threads.ts`)
      return { contents, loader: 'ts' }
    })
  },
}

/** For a pool that a program provides. A single file, because bundlers copy it unchanged. */
export const hashingWorker: Plugin = {
  name: 'hashing worker',
  setup(build) {
    build.onEnd(async () => {
      // tsup creates the folder and writes its own files only after this.
      await mkdir('dist', { recursive: true })
      await writeFile('dist/hashing-worker.cjs', await oneFile(build, 'src/hashing/threads/worker.ts'))
    })
  },
}
