export function useInstalledNode(root: string, env?: NodeJS.ProcessEnv): void
