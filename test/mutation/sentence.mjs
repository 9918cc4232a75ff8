/** True for a text of several words that begins with a capital and ends with a full stop, as all sentences of errors do. */
export function isSentence(text) {
  return /^[\p{Lu}X].* .*[.?]$/su.test(text)
}
