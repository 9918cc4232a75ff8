/**
 * Loads the package of hubs if one of these is a URL of a hub or registry, and that of object stores if one names a bucket. They are in files of their own,
 * which other commands do not need.
 */
export async function useHubsFor(...places: readonly (string | undefined)[]): Promise<void> {
  if (places.some((place) => place !== undefined && /^(?:hf|oci):/i.test(place))) await import('@modelseal/hub')
  if (places.some(isInBucket)) await import('@modelseal/s3')
}

/** Whether this is the URL of an object store. */
export function isInBucket(place: string | undefined): boolean {
  return place !== undefined && /^s3:/i.test(place)
}

/** Whether this is a URL of a model, and not a path. A path with a scheme before it would be one with two slashes. */
export function isRemote(model: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(model) && !/^file:/i.test(model)
}
