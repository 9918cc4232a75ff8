export interface Project {
  repository: string
  homepage: string
  bugs: string
}
export function readProject(root: string): Project
export function withAddresses(manifest: object, project: Project, directory: string): object
