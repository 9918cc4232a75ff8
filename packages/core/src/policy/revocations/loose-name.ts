import { domainToUnicode } from 'node:url'

/**
 * Names as revocations compare them. A rule must err on the side of accepting too few, a revocation on the side of
 * matching too many: names that anyone could consider the same are the same here.
 */

/** A name to look up among the revoked ones. */
export interface LooseName {
  /** As written, with its kind and without. */
  written: readonly string[]
  /** The same, each in its loose form. */
  loose: readonly string[]
  /** The loose form without the kind. */
  key: string
}

export function looseName(text: string): LooseName {
  const bare = withoutKind(text)
  const key = looseForm(bare)
  return {
    written: [...new Set([text, bare])],
    loose: [...new Set([looseForm(text), key, reversedName(key)])],
    key,
  }
}

/** Removes differences that do not make another name: letter case, encoding, a final dot or slash. */
export function looseForm(text: string): string {
  let form = text
  if (form.includes('%')) form = form.replace(/(?:%[0-9a-f]{2})+/gi, decoded)
  if (!/^[\x21-\x7e]*$/.test(form)) {
    form = form
      .normalize('NFKC')
      .replace(/[\p{Cc}\p{Cf}]/gu, '')
      .replace(/\s+/g, ' ')
      // RFC 4514 lets tools put spaces between the parts of a name.
      .replace(/ ?([,=+]) ?/g, '$1')
      .trim()
  }
  // Upper case merges letters that lower case keeps apart, such as ß and ss; the capital ß becomes one of these only in lower case.
  form = form.toLowerCase().toUpperCase().toLowerCase().normalize('NFKC')
  if (form.includes('xn--')) form = form.replace(/xn--[a-z0-9-]+/g, (label) => domainToUnicode(label) || label)
  return address(
    form
      .replace(/^((?:uri:)?https:\/\/[^/?#]*):443(?=[/?#]|$)/, '$1')
      .replace(/^((?:uri:)?http:\/\/[^/?#]*):80(?=[/?#]|$)/, '$1')
      .replace(/(?<!\.)\.+(?=$|[/:?#@,])/g, '')
      .replace(/(?<!\/)\/+$/, ''),
  )
}

/** The kinds of names as policies write them. */
export function withoutKind(text: string): string {
  return text.replace(/^(?:email|URI|DNS|IP|DirName|RID|otherName:[0-9.]+):/i, '')
}

function decoded(run: string): string {
  try {
    return decodeURIComponent(run)
  } catch {
    return run
  }
}

/** The canonical form of an IPv6 address. `node:net` would accept a zone (`%eth0`) and slow down the start of every program. */
function address(form: string): string {
  const kind = form.startsWith('ip:') ? 'ip:' : ''
  const text = form.slice(kind.length)
  const url = /^[0-9a-f.]*:[0-9a-f:.]*$/.test(text) ? URL.parse(`http://[${text}]`) : null
  return url ? kind + url.hostname.slice(1, -1) : form
}

/** Tools write the attributes of a distinguished name in either order. */
export function reversedName(form: string): string {
  return form.includes('=')
    ? form
        .split(/(?<!\\),/)
        .reverse()
        .join(',')
    : form
}
