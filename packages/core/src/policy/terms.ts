/** Terms that policies and loaders share; apart from the schema, which only reading a policy loads. */

/** How the verified bytes become the loaded bytes. */
export const ISOLATION_LEVELS = ['memory', 'copy', 'in-place'] as const
