import sax from 'sax'
import type { HttpBody } from '@modelseal/core/http'

/** An element of an answer: its text, and those in it. */
export interface Element {
  readonly name: string
  text: string
  readonly children: Element[]
}

/** Errors have a few hundred bytes; only their beginning is read. */
const MAX_ERROR_BYTES = 64 * 1024
/** In seconds: a store must not keep a load waiting with an error that arrives byte by byte. */
const MAX_ERROR_SECONDS = 10
/** A page of a listing has a thousand entries with some ten elements each. */
const MAX_ELEMENTS = 50_000
/** Deeper than any answer of the API. */
const MAX_DEPTH = 8

/**
 * Parses an answer of the API (XML). A declaration of a document type, which could define entities, is refused.
 *
 * @throws an error of the parser, or of this function, whose message says what is wrong
 */
export function parseAnswer(text: string): Element {
  const parser = sax.parser(true)
  const root: Element = { name: '', text: '', children: [] }
  const open = [root]
  let count = 0
  parser.onerror = (error) => {
    throw error
  }
  parser.ondoctype = () => {
    throw new Error('a declaration of a document type')
  }
  parser.onopentag = ({ name }) => {
    if (open.length > MAX_DEPTH) throw new Error('elements that are nested too deeply')
    if (++count > MAX_ELEMENTS) throw new Error('too many elements')
    const element: Element = { name, text: '', children: [] }
    open.at(-1)?.children.push(element)
    open.push(element)
  }
  const append = (part: string) => {
    const element = open.at(-1)
    if (element) element.text += part
  }
  parser.ontext = append
  parser.oncdata = append
  parser.onclosetag = () => void open.pop()
  parser.write(text).close()
  const [only] = root.children
  if (!only) throw new Error('no element')
  return only
}

/** The text of the only element of that name; undefined if there is none. */
export function textOf(element: Element, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

/** What an error says of itself. */
export interface StatedError {
  /** `NoSuchKey`, for example; undefined if the answer has none. */
  readonly code: string | undefined
  readonly region: string | undefined
}

/** Reads the error in an answer. Never fails: an answer that is none says nothing. */
export async function statedError({ headers, chunks }: HttpBody): Promise<StatedError> {
  const region = headers.get('x-amz-bucket-region') ?? undefined
  try {
    const parts: Uint8Array[] = []
    let bytes = 0
    const end = process.uptime() + MAX_ERROR_SECONDS
    for await (const chunk of chunks) {
      parts.push(Buffer.from(chunk))
      bytes += chunk.length
      if (bytes > MAX_ERROR_BYTES || process.uptime() > end) break
    }
    const error = parseAnswer(Buffer.concat(parts).toString('utf8'))
    const code = error.name === 'Error' ? textOf(error, 'Code') : undefined
    return { code: code && /^\w{1,64}$/.test(code) ? code : undefined, region: region ?? textOf(error, 'Region') }
  } catch {
    return { code: undefined, region }
  }
}
