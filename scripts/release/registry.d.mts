export interface Registry {
  url: string
  storage: string
  pid: number
  publish(tarball: string): Promise<string>
  /** Does what uses the registry. If that fails, the error also says what the registry reported. */
  use<T>(task: () => Promise<T>): Promise<T>
  /** Throws if the registry has ended before. */
  close(): Promise<void>
}
export function startRegistry(directory: string): Promise<Registry>
