export interface Registry {
  url: string
  storage: string
  publish(tarball: string): Promise<string>
  close(): Promise<void>
}
export function startRegistry(directory: string): Promise<Registry>
