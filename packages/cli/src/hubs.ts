/**
 * Loads the package of hubs if one of these is a URL of a hub or registry. It is in a file of its own, which other
 * commands do not need.
 */
export async function useHubsFor(...places: readonly (string | undefined)[]): Promise<void> {
  if (places.some((place) => place !== undefined && /^(?:hf|oci):/i.test(place))) await import('@modelseal/hub')
}

/** Whether this is a URL of a model, and not a path. A path with a scheme before it would be one with two slashes. */
export function isRemote(model: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(model) && !/^file:/i.test(model)
}
