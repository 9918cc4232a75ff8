import { stat } from 'node:fs/promises'

/** A text that identifies the state of each file, by absolute path. */
export type FileStates = ReadonlyMap<string, string>

/** The state of one file. Links are followed, so retargeting one is a change. */
export async function fileState(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return 'absent'
  }
}

/** When the file that changed last was written, in milliseconds since 1970. */
export function modifiedAt(states: FileStates): number {
  const times = [...states.values()].map((state) => Number(state.split(':')[3] ?? 0) / 1e6)
  return Math.max(0, ...times)
}

/** True if no file has changed. */
export async function unchanged(states: FileStates): Promise<boolean> {
  const now = await Promise.all([...states].map(async ([path, state]) => (await fileState(path)) === state))
  return now.every(Boolean)
}
