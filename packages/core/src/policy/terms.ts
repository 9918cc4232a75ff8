/** Terms that policies and loaders share, separate from the schema, which is imported only to read a policy. */

/** How the verified bytes become the loaded bytes. */
export const ISOLATION_LEVELS = ['memory', 'copy', 'in-place'] as const
