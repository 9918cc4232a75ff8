/**
 * What JSON Schema can say about globs: the faults that need no list of their alternatives, as regular expressions. None refuses a glob
 * that the checks in `matching/` accept; `glob-patterns.test.ts` holds that.
 */

/**
 * No character that means different things to different tools, no `!` in front, nothing missing after a backslash, and `**` only as a
 * whole component.
 */
const CONTENT = String.raw`(?!!)(?![\s\S]*(?:[^/{},*\\]\*\*(?!\*)|(?:^|[^*\\])\*\*[^/{},*\\]))(?:\\[\s\S]|[^\\[\]()])+$`

/** No empty component, and so no URL, no `.`, no `..` after another component, and no slash at the end. */
const RELATIVE = String.raw`(?!\.$|\.\/!|\/\.\.(?:\/|$))(?![\s\S]*(?:\/\/|\/\.(?:\/|$)|[^/.}]\/\.\.(?:\/|$)|\/$))`

/** A literal first component, which has no colon at its end. */
const NO_SCHEME = String.raw`[^/*?\\{}]*[^/:*?\\{}](?:\/|$)`

const URL_FAULTS = [
  // Scheme or host in upper case, or a host without a path. Hugging Face has an organisation in its place.
  String.raw`(?!hf:\/\/)(?:[^/]*[A-Z][^/]*:\/\/|[^/]*:\/\/[^/]*[A-Z]|[^/]*:\/\/(?:[^/]*[^/*]|[^/]*[^/*]\*|\*)?$)`,
  String.raw`http:\/\/[^/]*:80(?:\/|$)`,
  String.raw`https:\/\/[^/]*:443(?:\/|$)`,
  String.raw`\/`,
  NO_SCHEME,
]

/** A component without wildcards, with a capital in it. */
const CAPITAL = String.raw`[^/*?{}\\]*[A-Z][^/*?{}\\]*(?:\/|$)`

const SOURCE_FAULTS = [
  String.raw`(?![a-z][a-z0-9+.\-]+:\/\/|[^/]*[{\\])`,
  String.raw`(?:https?|file):\/\/`,
  String.raw`[\s\S]*\/$`,
  String.raw`hf:\/\/[\s\S]*[@%]`,
  String.raw`hf:\/\/models(?:\/|$)`,
  String.raw`hf:\/\/datasets$`,
  String.raw`oci:\/\/[\s\S]*%`,
  String.raw`oci:\/\/[^/]*\/[\s\S]*[@:]`,
  String.raw`oci:\/\/(?:[^*?{}\\]*\/)?${CAPITAL}`,
  String.raw`s3:\/\/${CAPITAL}`,
]

export const GLOB = `^${CONTENT}`
export const PATH_GLOB = `^${RELATIVE}${CONTENT}`
export const NAME_GLOB = String.raw`^(?!\/|\.\/|\.\.(?:\/|$))${RELATIVE}${CONTENT}`
export const URL_GLOB = `^(?!${URL_FAULTS.join('|')})${CONTENT}`
export const SOURCE_GLOB = `^(?!${SOURCE_FAULTS.join('|')})${CONTENT}`

/** Globs that name no directory, file or host: `isExplicit()` refuses them in the mode skip. */
const WILD = String.raw`(?:\.{0,2}|[^/\\{}]*[*?][^/\\{}]*)`
export const ONLY_WILD = `^${WILD}(?:\\/${WILD})*$`

/** URLs and sources that `isExplicit()` accepts, or whose alternatives only it can tell. */
export const SOMEWHERE = String.raw`^(?:[\s\S]*[{\\]|(?!oci:|hf:\/\/datasets(?:\/|$))[^/*?]*:\/\/[^/*?]+(?:\/|$)|(?:oci:\/\/[^/*?]+|hf:\/\/datasets)\/[^/*?]+(?:\/|$))`
