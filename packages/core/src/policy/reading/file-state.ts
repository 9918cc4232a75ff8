import { stat } from 'node:fs/promises'

/** What tells one state of each file from any other, by absolute path. */
export type FileStates = ReadonlyMap<string, string>

/** The state of one file; links are followed, so that a link that is swapped is a change. */
export async function fileState(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return 'absent'
  }
}

/** True where every file is as it was. */
export async function unchanged(states: FileStates): Promise<boolean> {
  const now = await Promise.all([...states].map(async ([path, state]) => (await fileState(path)) === state))
  return now.every(Boolean)
}
