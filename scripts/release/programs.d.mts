export function run(cwd: string, command: string, args: readonly string[]): Promise<string>
