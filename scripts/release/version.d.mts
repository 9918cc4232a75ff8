export function setVersion(root: string): Promise<string>
