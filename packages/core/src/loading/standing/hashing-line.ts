let line: Promise<void> = Promise.resolve()

/** Does one work after another, so that models that are judged at the same time do not all read the disk. The work must not throw. */
export function hashInBackground(work: () => Promise<void>): void {
  line = line.then(work)
}
