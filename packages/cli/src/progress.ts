import type { ProgressCallback } from '@modelseal/core'
import type { SingleBar } from 'cli-progress'
import { byteCount } from './output.ts'

/** Milliseconds of work before a bar appears. */
const PATIENCE = 500

interface Progress {
  onProgress: ProgressCallback
  /** Removes the bar. */
  stop(): void
}

/**
 * A progress bar on a terminal; undefined elsewhere.
 *
 * @param activity what the command does with the bytes, as in "Hashing"
 */
export function startProgress(stream: NodeJS.WriteStream, activity: string, patience = PATIENCE): Progress | undefined {
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
      format: `${activity} [{bar}] {percentage}%  {value} of {total}`,
      formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : byteCount(value)),
      clearOnComplete: true,
    })
    bar.start(latest[1], latest[0])
  }
  return {
    onProgress(done, total) {
      // Time before the first call, such as at a password prompt, does not count.
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
