export interface Project {
  manager: string
  directory: string
  registry: string
  packages: Record<string, string>
}
export const PACKAGE_MANAGERS: string[]
export const EXAMPLES: string[]
export function makeProject(root: string, project: Project): Promise<void>
export function runExample(directory: string, example: string): Promise<string>
