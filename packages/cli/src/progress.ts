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
  let latest: [done: number, total: number] | undefined
  const show = async () => {
    const { default: progress } = await import('cli-progress')
    if (stopped || !latest) return
    bar = new progress.SingleBar({
      stream,
      format: 'Hashing [{bar}] {percentage}%  {value} of {total}',
      formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : byteCount(value)),
      clearOnComplete: true,
    })
    bar.start(latest[1], latest[0])
  }
  const timer = setTimeout(() => void show(), patience).unref()
  return {
    onProgress(done, total) {
      latest = [done, total]
      bar?.update(done)
    },
    stop() {
      stopped = true
      clearTimeout(timer)
      bar?.stop()
    },
  }
}
