/** Markdown by the path that the page has, or would have, in the repository. */
export type Pages = ReadonlyMap<string, string>
