import type { ProgressCallback } from '@modelseal/core'
import type { SingleBar } from 'cli-progress'
import { byteCount } from './output.ts'

/** Work that is done sooner shows nothing, in milliseconds. */
const PATIENCE = 500

export interface Progress {
  onProgress: ProgressCallback
  /** Removes the bar. */
  stop(): void
}

/** A progress bar on a terminal; undefined where nobody would see it move. */
export function startProgress(stream: NodeJS.WriteStream, patience = PATIENCE): Progress | undefined {
  if (!stream.isTTY) return undefined
  let bar: SingleBar | undefined
  let stopped = false
  let began: number | undefined
  let latest: [done: number, total: number] = [0, 0]
  const show = async () => {
    const { default: progress } = await import('cli-progress')
    if (stopped) return
    bar = new progress.SingleBar({
      stream,
      format: 'Hashing [{bar}] {percentage}%  {value} of {total}',
      formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : byteCount(value)),
      clearOnComplete: true,
    })
    bar.start(latest[1], latest[0])
  }
  return {
    onProgress(done, total) {
      // Time spent before, such as at the prompt for a password, is no reason for a bar.
      latest = [done, total]
      const now = process.uptime() * 1_000
      began ??= now
      bar?.setTotal(total)
      bar?.update(done)
      if (now - began < patience) return
      began = Infinity
      void show()
    },
    stop() {
      stopped = true
      bar?.stop()
    },
  }
}
