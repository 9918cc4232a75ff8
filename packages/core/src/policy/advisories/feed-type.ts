/** The predicate type of advisory feeds. In a file of its own for code that only has to tell them from other statements. */
export const FEED_TYPE = 'urn:modelseal:advisory-feed:0.1'
