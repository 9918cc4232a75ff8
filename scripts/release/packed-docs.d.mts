export interface Manifest {
  name: string
  version: string
  files: string[]
  license: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}
export function packedDocs(root: string, name: string): Map<string, string>
export function publishedPackages(root: string): string[]
export function manifestOf(root: string, name: string): Manifest
