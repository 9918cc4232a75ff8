/** Thrown by work that needs a library that is not loaded. {@link withLibraries} loads it. */
export class LibraryNeeded extends Error {
  override message = 'A library that this needs is not loaded.'
  readonly load: () => Promise<void>

  constructor(load: () => Promise<void>) {
    super()
    this.load = load
  }
}

/**
 * Does work that may need libraries which few policies need. One is loaded only when the work turns out to need it; the work is then
 * repeated.
 */
export async function withLibraries<Result>(work: () => Result): Promise<Awaited<Result>> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof LibraryNeeded)) throw error
      await error.load()
    }
  }
}
