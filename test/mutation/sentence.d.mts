export function isSentence(text: string): boolean
