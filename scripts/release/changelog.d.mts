export function collectedChangelog(changelogs: readonly { name: string; text: string }[]): string
