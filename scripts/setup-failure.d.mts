export function questionAbout(output: string): string
